//! Applications: how a client proves which one it is, and what it may do.

use std::time::Duration;

use secrecy::SecretString;
use shared::{access_token::MAX_LIFETIME, scope::Scope};

use crate::{
    admin::rank::{by_operator, for_the_operator},
    audit::{ClientRefusal, Event, Origin},
    clock,
    grant::GrantType,
    id, secret,
    store::{
        self, ClientRow, Store, StoreError, audit_event,
        change::{self, Outcome},
        client, resource,
    },
    throttle::{Throttle, ThrottleError},
};

pub use crate::store::client::Kind;
pub(crate) use crate::store::client::Secret;

/// The client that a development server assumes when a request names none.
pub(crate) const FIRST_PARTY: &str = "first-party";

/// The client of a token exchange that names none. It is built in: the API key is the credential, and needs no other.
pub(crate) const API_KEY: &str = "api-key";

/// What a request shows to prove which client it comes from.
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    /// The secret, if one was shown.
    pub(crate) secret: Option<zeroize::Zeroizing<String>>,
}

/// A client that has proved which one it is.
#[derive(Clone, Debug)]
pub(crate) struct Client(store::Client);

/// Why a client was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Unknown, disabled, without its secret or with a wrong one: the caller is not told which.
    #[error("client authentication failed")]
    Refused,
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
        let found = match shown.client_id.as_str() {
            API_KEY => Some(built_in()),
            id => client::by_id(&self.store, id).await?,
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
        let refusal = judge(found.as_ref(), shown).err();
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

/// Whether there is an active client of this identifier.
pub(crate) async fn is_active(store: &Store, id: &str) -> Result<bool, StoreError> {
    Ok(id == API_KEY || client::is_active(store, id).await?)
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

impl Client {
    /// The client identifier.
    pub(crate) fn id(&self) -> &str {
        &self.0.row.id
    }

    /// Whether it is the client of those who show an API key and nothing else.
    pub(crate) fn is_api_key_client(&self) -> bool {
        self.id() == API_KEY
    }

    /// Whether it may use this grant.
    pub(crate) fn allows(&self, grant: GrantType) -> bool {
        self.0.row.grants.split(' ').any(|allowed| allowed == grant.name())
    }

    /// What it may ask for.
    pub(crate) const fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The resource it means when a request names neither scope nor resource.
    pub(crate) fn default_resource(&self) -> Option<&str> {
        self.0.row.default_resource.as_deref()
    }

    /// Whether it can keep a secret.
    pub(crate) const fn kind(&self) -> Kind {
        self.0.row.kind
    }

    /// Grows whenever it is enabled or disabled.
    pub(crate) const fn generation(&self) -> i64 {
        self.0.row.generation
    }

    /// Its own roles.
    pub(crate) fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// The resource that this client is: it may introspect tokens for it.
    pub(crate) fn serves(&self) -> Option<&str> {
        self.0.row.serves.as_deref()
    }

    /// How long its refresh tokens may lie unused, where that departs from the service's setting.
    pub(crate) fn refresh_idle_lifetime(&self) -> Option<Duration> {
        duration(self.0.row.refresh_idle_lifetime)
    }

    /// How long its sessions live, where that departs from the service's setting.
    pub(crate) fn refresh_absolute_lifetime(&self) -> Option<Duration> {
        duration(self.0.row.refresh_absolute_lifetime)
    }

    /// How long its access tokens live, where that departs from the service's setting.
    pub(crate) fn access_token_lifetime(&self) -> Option<Duration> {
        duration(self.0.row.access_token_lifetime)
    }
}

fn duration(seconds: Option<i64>) -> Option<Duration> {
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}
