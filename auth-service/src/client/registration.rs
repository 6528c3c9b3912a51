//! Registering clients, and changing them: at the command line, from a file, by administrators.

use std::time::Duration;

use secrecy::SecretString;
use shared::{access_token::MAX_LIFETIME, scope::Scope};

use super::{API_KEY, Kind};
use crate::{
    admin::rank::{by_operator, for_the_operator},
    audit::{Event, Origin},
    clock,
    grant::GrantType,
    id, secret,
    store::{
        ClientRow, Store, StoreError,
        change::{self, Outcome},
        client, resource,
    },
};

/// What a new client is made of. Whatever is left empty is not allowed.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// The identifier: ASCII letters, digits, `.`, `_`, `-`.
    pub id: String,
    /// Whether it can keep a secret.
    pub kind: Kind,
    /// The grant types it may use.
    pub grants: Vec<String>,
    /// What it may ask for.
    pub scope: Scope,
    /// The roles of the client itself, for `client_credentials`.
    pub roles: Vec<String>,
    /// The resource it means when a request names neither scope nor resource.
    pub default_resource: Option<String>,
    /// The resource that this client is: it may introspect tokens for it.
    pub serves: Option<String>,
    /// The browser origins it is loaded from.
    pub cors_origins: Vec<String>,
    /// How long its access tokens live, where that departs from the service's setting; an hour at most.
    pub access_token_lifetime: Option<Duration>,
    /// How long its refresh tokens may lie unused.
    pub refresh_idle_lifetime: Option<Duration>,
    /// How long its sessions live.
    pub refresh_absolute_lifetime: Option<Duration>,
}

impl NewClient {
    /// A client that may do nothing until told.
    pub fn new(id: impl Into<String>, kind: Kind) -> Self {
        Self {
            id: id.into(),
            kind,
            grants: Vec::new(),
            scope: Scope::default(),
            roles: Vec::new(),
            default_resource: None,
            serves: None,
            cors_origins: Vec::new(),
            access_token_lifetime: None,
            refresh_idle_lifetime: None,
            refresh_absolute_lifetime: None,
        }
    }
}

/// Why a client was not created or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientChangeError {
    #[error("a client identifier has 2 to 64 ASCII letters, digits, `.`, `_` or `-`, and does not begin with `usr_`")]
    Id,
    #[error("there is no grant type `{0}`; there are {1}")]
    Grant(String, String),
    #[error("client_credentials is for confidential clients")]
    PublicCredentials,
    #[error("an access token lives from 5 seconds to an hour")]
    Lifetime,
    #[error("there is a client `{0}` already")]
    Taken(String),
    #[error("there is no confidential client `{0}`")]
    NotConfidential(String),
    #[error("there is no client `{0}`")]
    NoSuchClient(String),
    #[error("the client has {0} secrets already; the older one must end first", client::MAX_SECRETS)]
    Full,
    #[error("a role, scope or resource does not exist")]
    Unknown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a client; a confidential one gets a secret, which is returned once and kept as a digest.
pub(crate) async fn create(store: &Store, new: NewClient, origin: &Origin) -> Result<Option<SecretString>, ClientChangeError> {
    check(&new)?;
    let catalog = resource::catalog(store).await?;
    if !catalog.every_scope().contains_all(&new.scope) {
        return Err(ClientChangeError::Unknown);
    }
    let now = clock::now();
    let secret = match new.kind {
        Kind::Public => None,
        Kind::Confidential => Some(secret::make(secret::Kind::ClientSecret)),
    };
    let kept = secret.as_ref().map(|secret| secret_row(&new.id, secret, now));
    let (id, roles) = (new.id.clone(), new.roles.clone());
    let row = row(new, now);
    let deed = by_operator(for_the_operator, origin.record(Event::ClientCreated, None, Some(&id)));
    match change::client::create(store, deed, row, &roles, kept).await? {
        Outcome::Done => Ok(secret.map(|secret| SecretString::from(secret.to_string()))),
        Outcome::Taken => Err(ClientChangeError::Taken(id)),
        other => Err(refused(&other, &id)),
    }
}

/// The row of a new client.
pub(crate) fn row(new: NewClient, now: i64) -> ClientRow {
    ClientRow {
        id: new.id,
        kind: new.kind,
        state: client::State::Active,
        grants: new.grants.join(" "),
        scopes: new.scope.to_string(),
        default_resource: new.default_resource,
        serves: new.serves,
        cors_origins: new.cors_origins.join(" "),
        access_token_lifetime: new.access_token_lifetime.map(clock::seconds),
        refresh_idle_lifetime: new.refresh_idle_lifetime.map(clock::seconds),
        refresh_absolute_lifetime: new.refresh_absolute_lifetime.map(clock::seconds),
        // Not that of a client of the same name that was deleted: what that one was issued stays revoked.
        generation: id::generation(),
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// What the outcome of an operator's change of a client means, where it is not `Done`.
fn refused(outcome: &Outcome, client_id: &str) -> ClientChangeError {
    match outcome {
        Outcome::Full => ClientChangeError::Full,
        Outcome::Unknown(_) => ClientChangeError::Unknown,
        Outcome::Done | Outcome::NoMatch | Outcome::OtherVersion | Outcome::Denied(_) | Outcome::Taken | Outcome::InUse(_) => {
            ClientChangeError::NoSuchClient(client_id.to_owned())
        }
    }
}

/// Whether a client can be made of this, as far as it can be told without the database.
pub(crate) fn check(new: &NewClient) -> Result<(), ClientChangeError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(2..=64).contains(&new.id.len()) || !new.id.bytes().all(is_plain) || new.id.starts_with(id::USER) {
        return Err(ClientChangeError::Id);
    }
    if new.id == API_KEY {
        return Err(ClientChangeError::Taken(new.id.clone()));
    }
    if let Some(unknown) = new.grants.iter().find(|name| GrantType::named(name).is_none()) {
        let known = GrantType::ALL.map(GrantType::name).join(", ");
        return Err(ClientChangeError::Grant(unknown.clone(), known));
    }
    let credentials = GrantType::ClientCredentials.name();
    if new.kind == Kind::Public && new.grants.iter().any(|name| name == credentials) {
        return Err(ClientChangeError::PublicCredentials);
    }
    let bounds = Duration::from_secs(5)..=MAX_LIFETIME;
    if new.access_token_lifetime.is_some_and(|lifetime| !bounds.contains(&lifetime)) {
        return Err(ClientChangeError::Lifetime);
    }
    Ok(())
}

/// Adds a secret to a client and lets the others end after `overlap`.
pub(crate) async fn add_secret(
    store: &Store,
    client_id: &str,
    overlap: Duration,
    origin: &Origin,
) -> Result<SecretString, ClientChangeError> {
    let now = clock::now();
    let secret = secret::make(secret::Kind::ClientSecret);
    let row = secret_row(client_id, &secret, now);
    let deed = by_operator(for_the_operator, origin.record(Event::ClientSecretAdded, None, Some(client_id)));
    match change::client::add_secret(store, deed, row, now + clock::seconds(overlap)).await? {
        Outcome::Done => Ok(SecretString::from(secret.to_string())),
        Outcome::NoMatch => Err(ClientChangeError::NotConfidential(client_id.to_owned())),
        other => Err(refused(&other, client_id)),
    }
}

/// Enables or disables a client.
pub(crate) async fn set_state(
    store: &Store,
    client_id: &str,
    state: client::State,
    origin: &Origin,
) -> Result<(), ClientChangeError> {
    let deed = by_operator(for_the_operator, origin.record(Event::ClientStateChanged, None, Some(client_id)));
    match change::client::set_state(store, deed, client_id, state).await? {
        Outcome::Done => Ok(()),
        other => Err(refused(&other, client_id)),
    }
}

/// What is kept of a secret.
pub(crate) fn secret_row(client_id: &str, secret: &str, now: i64) -> client::Secret {
    client::Secret {
        id: id::client_secret(),
        client_id: client_id.to_owned(),
        digest: secret::digest(secret),
        created_at: now,
        expires_at: None,
    }
}
