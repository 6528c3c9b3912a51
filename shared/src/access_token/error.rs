//! Why an access token was not accepted.

use std::time::Duration;

/// Why an access token was not accepted.
///
/// The texts name no part of the token, so that they may be told to a client and written to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// It is no compact JWS with a JSON header and JSON claims (RFC 7515 §7.1).
    #[error("the access token is malformed: {0}")]
    Malformed(&'static str),
    /// Its `typ` is not that of an access token (RFC 9068 §4).
    #[error("the token is not an access token")]
    Type,
    /// Its `alg` is not one we accept, or not the one its key is for (RFC 8725 §3.1).
    #[error("the access token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// Its header demands an extension (RFC 7515 §4.1.11).
    #[error("the access token demands an extension that is not understood")]
    Critical,
    /// Its `kid` names no key of the issuer.
    #[error("the access token is signed with a key the issuer does not publish")]
    UnknownKey,
    /// Its signature does not hold.
    #[error("the signature of the access token does not hold")]
    Signature,
    /// It comes from somebody else.
    #[error("the access token is from another issuer")]
    Issuer,
    /// It is meant for somebody else (RFC 8725 §3.9).
    #[error("the access token is meant for another resource")]
    Audience,
    /// Its time is over.
    #[error("the access token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the access token is not valid yet")]
    NotYetValid,
    /// It lives longer than any access token may.
    #[error("the lifetime of the access token is not acceptable")]
    Lifetime,
    /// It lacks a claim that RFC 9068 §2.2 requires.
    #[error("the access token lacks the claim `{0}`")]
    MissingClaim(&'static str),
    /// It is bound to a key (RFC 7800), and no proof of that key can be checked here.
    #[error("the access token is bound to a key, and proof of possession is not supported here")]
    Bound,
    /// Its issuer has revoked it.
    #[error("the access token has been revoked")]
    Revoked,
    /// We hold no keys that may be trusted now: our fault, not the token's.
    #[error("the issuer's keys are not available")]
    KeysUnavailable {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// We cannot tell whether it was revoked, and must not guess: our fault, not the token's.
    #[error("the issuer's revocations are not available")]
    RevocationsUnavailable {
        /// When asking again may help.
        retry_after: Duration,
    },
}

impl AccessTokenError {
    /// A stable name for logs, metrics and programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::Critical => "critical",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Lifetime => "lifetime",
            Self::MissingClaim(_) => "missing_claim",
            Self::Bound => "bound",
            Self::Revoked => "revoked",
            Self::KeysUnavailable { .. } => "keys_unavailable",
            Self::RevocationsUnavailable { .. } => "revocations_unavailable",
        }
    }

    /// Whether the token may well be good and we are the ones who cannot tell: 503, never 401.
    pub const fn is_our_fault(&self) -> bool {
        self.retry_after().is_some()
    }

    /// When asking again may help, if it is our fault.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { retry_after } | Self::RevocationsUnavailable { retry_after } => Some(*retry_after),
            Self::Malformed(_)
            | Self::Type
            | Self::Algorithm
            | Self::Critical
            | Self::UnknownKey
            | Self::Signature
            | Self::Issuer
            | Self::Audience
            | Self::Expired
            | Self::NotYetValid
            | Self::Lifetime
            | Self::MissingClaim(_)
            | Self::Bound
            | Self::Revoked => None,
        }
    }
}
