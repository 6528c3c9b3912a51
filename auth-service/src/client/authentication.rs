//! Which client a request comes from (RFC 6749 §2.3).

use std::{sync::Arc, time::Duration};

use shared::scope::Scope;

use super::{API_KEY, Client, Kind};
use crate::{
    audit::{ClientRefusal, Event, Origin},
    clock,
    grant::GrantType,
    secret,
    store::{self, ClientRow, Store, StoreError, audit_event, client},
    throttle::{Throttle, ThrottleError},
};

/// What a request shows to prove which client it comes from.
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    /// The secret, if one was shown.
    pub(crate) secret: Option<zeroize::Zeroizing<String>>,
    /// Another client that the request names as well, so that it comes from neither.
    pub(crate) also: Option<String>,
}

/// Why a client was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Unknown, disabled, without its secret or with a wrong one: the caller is not told which.
    #[error("client authentication failed")]
    Refused,
    /// Two clients are named, and it may be either.
    #[error("client_id names another client than the Authorization header")]
    TwoClients,
    /// Not looked at, after too many wrong secrets.
    #[error("too many attempts have failed; wait before the next one")]
    Throttled {
        /// When the next one will be looked at.
        retry_after: Duration,
    },
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds out which client a request comes from.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) store: Store,
    pub(crate) throttle: Throttle,
}

/// What the throttle knows the secrets of clients as.
const GUESSES: &str = "client";

impl Clients {
    /// The client that a request proves to come from (RFC 6749 §2.3).
    pub(crate) async fn authenticate(&self, shown: &Credentials, origin: &Origin) -> Result<Client, ClientError> {
        if let Some(also) = &shown.also {
            self.record_two(&shown.client_id, also, origin).await?;
            return Err(ClientError::TwoClients);
        }
        let mut found = match shown.client_id.as_str() {
            API_KEY => Some(Arc::new(built_in())),
            id => self.store.known().await?.client(&self.store, id).await?,
        };
        let known = found.as_ref().map(|client| client.row.id.clone());
        // Who shows no secret guesses at none: a public client cannot be closed by what others send in its name.
        let is_guess = shown.secret.is_some();
        if is_guess {
            match self.throttle.check_secret(GUESSES, &shown.client_id, origin).await {
                Ok(()) => {}
                Err(ThrottleError::Throttled { retry_after }) => {
                    self.record(ClientRefusal::Throttled, known.as_deref(), origin).await?;
                    return Err(ClientError::Throttled { retry_after });
                }
                Err(ThrottleError::Store(error)) => return Err(error.into()),
            }
        }
        let mut refusal = judge(found.as_deref(), shown).err();
        if refusal.is_some() && known.is_some() && shown.client_id != API_KEY {
            // Nobody is refused by what is in memory: another replica may have given out the secret a moment ago. And nobody's
            // identifier has been looked for in the database, too: time shall not tell which are taken.
            found = client::by_id(&self.store, &shown.client_id).await?.map(Arc::new);
            refusal = judge(found.as_deref(), shown).err();
        }
        match (found, refusal) {
            (Some(client), None) => Ok(Client(client)),
            (_, refusal) => {
                if is_guess {
                    self.throttle.wrong_secret(GUESSES, &shown.client_id, origin).await?;
                }
                self.record(refusal.unwrap_or(ClientRefusal::Unknown), known.as_deref(), origin).await?;
                Err(ClientError::Refused)
            }
        }
    }

    /// Records both clients that a request named, as far as there are such clients.
    async fn record_two(&self, one: &str, other: &str, origin: &Origin) -> Result<(), StoreError> {
        let one = client::by_id(&self.store, one).await?.map(|client| client.row.id);
        let other = client::by_id(&self.store, other).await?.map(|client| client.row.id);
        tracing::info!(client.id = one, other, "Refused a request that names two clients");
        let event = origin.record(Event::ClientRefused(ClientRefusal::TwoClients), None, one.as_deref());
        audit_event::record(&self.store, store::AuditEvent { detail: other, ..event }).await
    }

    async fn record(&self, refusal: ClientRefusal, client_id: Option<&str>, origin: &Origin) -> Result<(), StoreError> {
        tracing::info!(client.id = client_id, reason = refusal.code(), "Refused a client");
        audit_event::record(&self.store, origin.record(Event::ClientRefused(refusal), None, client_id)).await
    }
}

/// The client [`API_KEY`]: what it may have is what the key that it shows allows.
fn built_in() -> store::Client {
    let row = ClientRow {
        id: API_KEY.to_owned(),
        kind: Kind::Public,
        state: client::State::Active,
        grants: GrantType::TokenExchange.name().to_owned(),
        scopes: String::new(),
        default_resource: None,
        serves: None,
        cors_origins: String::new(),
        access_token_lifetime: None,
        refresh_idle_lifetime: None,
        refresh_absolute_lifetime: None,
        generation: 0,
        created_at: 0,
        updated_at: 0,
        version: 0,
    };
    store::Client { row, secrets: Vec::new(), roles: Vec::new(), scope: Scope::default() }
}

/// Whether there is an active client of this identifier, as it was a moment ago at the most.
pub(crate) async fn is_active(store: &Store, id: &str) -> Result<bool, StoreError> {
    Ok(id == API_KEY || store.known().await?.is_active(store, id).await?)
}

/// Every refusal has hashed the shown secret, so that the time tells as little as the answer.
fn judge(found: Option<&store::Client>, shown: &Credentials) -> Result<(), ClientRefusal> {
    let digest = shown.secret.as_ref().map(|secret| secret::digest(secret));
    let client = found.ok_or(ClientRefusal::Unknown)?;
    let verdict = match (client.row.kind, digest) {
        (Kind::Public, None) => Ok(()),
        (Kind::Public, Some(_)) => Err(ClientRefusal::UnexpectedSecret),
        (Kind::Confidential, None) => Err(ClientRefusal::MissingSecret),
        (Kind::Confidential, Some(digest)) => {
            let now = clock::now();
            let is_right = client
                .secrets
                .iter()
                .filter(|secret| secret.expires_at.is_none_or(|end| now < end))
                .fold(false, |is_right, secret| is_right | secret::is_same_digest(&secret.digest, &digest));
            if is_right { Ok(()) } else { Err(ClientRefusal::WrongSecret) }
        }
    };
    match client.row.state {
        client::State::Active => verdict,
        client::State::Disabled => Err(ClientRefusal::Disabled),
    }
}
