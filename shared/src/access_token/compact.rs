//! The compact serialization of a JWS (RFC 7515 §7.1), read strictly and without trusting any of it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{AccessTokenError, Algorithm, VerificationKey, key_set::is_key_id, strict_json::Members};

/// A JWS taken apart and checked as far as that is possible without a key.
pub(super) struct Compact<'a> {
    /// The algorithm its header claims.
    pub(super) algorithm: Algorithm,
    /// The key its header names.
    pub(super) key_id: String,
    /// The payload, decoded; nothing in it may be believed before [`Compact::verify`].
    pub(super) payload: Vec<u8>,
    signing_input: &'a [u8],
    signature: Vec<u8>,
}

/// The members of the header that mean something to us. `jku`, `x5u`, `jwk` and `x5c` do not (RFC 8725 §3.10): where
/// keys come from is never for a token to say.
#[derive(Deserialize)]
struct Header {
    typ: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart: cheap checks first, and none of them with an effect outside this function.
    ///
    /// `media_type` is what the header's `typ` must be, with or without `application/` and in any case (RFC 7515 §4.1.9).
    pub(super) fn parse(token: &'a str, media_type: &str) -> Result<Self, AccessTokenError> {
        Self::parse_if(token, |typ| typ.is_some_and(|typ| is_type(typ, media_type)))
    }

    /// Takes a token apart whose `typ` is wanted.
    fn parse_if(token: &'a str, is_wanted: impl FnOnce(Option<&str>) -> bool) -> Result<Self, AccessTokenError> {
        let mut segments = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(AccessTokenError::Malformed("it has not three segments"));
        };
        let signing_input = &token.as_bytes()[..header.len() + 1 + payload.len()];
        let decode = |segment| {
            // Strict: no padding, no other alphabet, no white space, no trailing bits that are not zero (RFC 7515 §2).
            BASE64_URL_SAFE_NO_PAD.decode(segment).map_err(|_| AccessTokenError::Malformed("it is not base64url"))
        };
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let (algorithm, key_id) = read_header(&header, is_wanted)?;
        Ok(Self { algorithm, key_id, payload, signing_input, signature })
    }

    /// Takes a token of any type apart, or of none: for vectors that others made.
    #[cfg(test)]
    pub(super) fn parse_untyped(token: &'a str) -> Result<Self, AccessTokenError> {
        Self::parse_if(token, |_| true)
    }

    /// Checks the signature with the key the header names, if that key is for the algorithm the header claims.
    pub(super) fn verify(&self, key: &VerificationKey) -> Result<(), AccessTokenError> {
        if key.algorithm() != self.algorithm {
            return Err(AccessTokenError::Algorithm);
        }
        if key.holds(self.signing_input, &self.signature) { Ok(()) } else { Err(AccessTokenError::Signature) }
    }
}

impl VerificationKey {
    /// The payload of a JWS of this type, if this key signed it: for statements of the issuer that are no access tokens.
    pub fn open(&self, token: &str, media_type: &str) -> Result<Vec<u8>, AccessTokenError> {
        let compact = Compact::parse(token, media_type)?;
        if compact.key_id != self.id() {
            return Err(AccessTokenError::UnknownKey);
        }
        compact.verify(self)?;
        Ok(compact.payload)
    }
}

fn read_header(json: &[u8], is_wanted: impl FnOnce(Option<&str>) -> bool) -> Result<(Algorithm, String), AccessTokenError> {
    const MALFORMED: AccessTokenError = AccessTokenError::Malformed("its header is not acceptable JSON");
    let members = Members::read(json).map_err(|_| MALFORMED)?;
    if members.contains("crit") {
        return Err(AccessTokenError::Critical);
    }
    let header: Header = serde_json::from_slice(json).map_err(|_| MALFORMED)?;
    if !is_wanted(header.typ.as_deref()) {
        return Err(AccessTokenError::Type);
    }
    let algorithm = header.alg.and_then(|alg| alg.parse().ok()).ok_or(AccessTokenError::Algorithm)?;
    let key_id = header.kid.ok_or(AccessTokenError::Malformed("its header names no key"))?;
    if !is_key_id(&key_id) {
        return Err(AccessTokenError::Malformed("its key ID is not acceptable"));
    }
    Ok((algorithm, key_id))
}

/// RFC 7515 §4.1.9: a `typ` without a slash stands for `application/…`, and media types know no case.
fn is_type(typ: &str, expected: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, short)) if prefix.eq_ignore_ascii_case(PREFIX) => short,
        Some(_) | None => typ,
    };
    short.eq_ignore_ascii_case(expected)
}
