//! Grants: what a client shows for a token, and what it gets for it.

mod client_credentials;
mod password;
mod refresh_token;
mod session;
mod token_exchange;

use std::time::Duration;

use shared::access_token::TOKEN_EXCHANGE_GRANT_TYPE;
use zeroize::Zeroizing;

use crate::{
    access::{AccessError, Wish},
    account::Logins,
    audit::Origin,
    client::{Client, Clients},
    store::{Store, StoreError},
    throttle::Throttle,
    token::{AccessToken, Issuer, PlaceError, StatusLists},
};

pub(crate) use self::{password::Password, refresh_token::RefreshToken, session::Sessions, token_exchange::TokenExchange};

/// A grant type (RFC 6749 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantType {
    Password,
    ClientCredentials,
    RefreshToken,
    TokenExchange,
}

impl GrantType {
    /// Every grant type that the service knows.
    pub(crate) const ALL: [Self; 4] = [Self::Password, Self::ClientCredentials, Self::RefreshToken, Self::TokenExchange];

    /// The value of the `grant_type` parameter.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::TokenExchange => TOKEN_EXCHANGE_GRANT_TYPE,
        }
    }

    /// The grant type of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.name() == name)
    }
}

/// A grant as a client shows it.
pub(crate) enum Grant {
    Password(Password),
    ClientCredentials(Wish),
    RefreshToken(RefreshToken),
    TokenExchange(TokenExchange),
}

impl Grant {
    /// Its type.
    pub(crate) const fn grant_type(&self) -> GrantType {
        match self {
            Self::Password(_) => GrantType::Password,
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::RefreshToken(_) => GrantType::RefreshToken,
            Self::TokenExchange(_) => GrantType::TokenExchange,
        }
    }
}

/// What a client gets for a grant.
pub(crate) struct TokenSet {
    pub(crate) access_token: AccessToken,
    pub(crate) refresh_token: Option<Zeroizing<String>>,
}

/// Why a client gets nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    /// The service does not offer this grant.
    #[error("this grant type is switched off")]
    UnsupportedGrantType,
    /// The client may not use it.
    #[error("this client may not use this grant type")]
    UnauthorizedClient,
    /// What it shows is not good: the caller is told no more than this.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// What it asks for is not offered, or the token it would exchange is not good (RFC 8693 §2.2.2).
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// What it asks for cannot be had.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Not looked at, after too many that were wrong.
    #[error("too many attempts have failed; wait before the next one")]
    Throttled {
        /// When the next one will be looked at.
        retry_after: Duration,
    },
    /// Too many at once.
    #[error("too many logins at the moment")]
    Busy,
    /// The client was disabled since it proved who it is.
    #[error("client authentication failed")]
    ClientDisabled,
    /// The client was changed by another replica since it proved who it is; it has to prove it again.
    #[error("the client was changed a moment ago")]
    ClientChanged,
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PlaceError> for GrantError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Disabled => Self::ClientDisabled,
            PlaceError::Changed => Self::ClientChanged,
            PlaceError::Store(error) => Self::Store(error),
        }
    }
}

/// Exchanges grants for tokens.
#[derive(Clone)]
pub(crate) struct Grants {
    pub(crate) store: Store,
    pub(crate) clients: Clients,
    pub(crate) logins: Logins,
    pub(crate) throttle: Throttle,
    pub(crate) issuer: Issuer,
    pub(crate) sessions: Sessions,
    pub(crate) lists: StatusLists,
    pub(crate) enabled: Vec<GrantType>,
}

impl Grants {
    /// Exchanges a grant of an authenticated client for tokens.
    pub(crate) async fn exchange(&self, client: &Client, grant: Grant, origin: &Origin) -> Result<TokenSet, GrantError> {
        let grant_type = grant.grant_type();
        if !self.enabled.contains(&grant_type) {
            return Err(GrantError::UnsupportedGrantType);
        }
        if !client.allows(grant_type) {
            return Err(GrantError::UnauthorizedClient);
        }
        match grant {
            Grant::Password(password) => password::exchange(self, client, password, origin).await,
            Grant::ClientCredentials(wish) => client_credentials::exchange(self, client, wish).await,
            Grant::RefreshToken(token) => refresh_token::exchange(self, client, token, origin).await,
            Grant::TokenExchange(key) => token_exchange::exchange(self, client, key, origin).await,
        }
    }
}
