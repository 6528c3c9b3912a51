//! Applications: how a client proves which one it is, and what it may do.

use std::time::Duration;

use secrecy::SecretString;
use shared::{access_token::MAX_LIFETIME, scope::Scope};

use crate::{
    audit::{ClientRefusal, Event, Origin},
    clock,
    grant::GrantType,
    id, secret,
    store::{
        self, ClientRow, Store, StoreError, audit_event,
        client::{self, Changed},
        resource,
    },
};

pub use crate::store::client::Kind;
pub(crate) use crate::store::client::Secret;

/// The client that a development server assumes when a request names none.
pub(crate) const FIRST_PARTY: &str = "first-party";

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
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds out which client a request comes from.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) store: Store,
}

impl Clients {
    /// The client that a request proves to come from (RFC 6749 §2.3).
    pub(crate) async fn authenticate(&self, shown: &Credentials, origin: &Origin) -> Result<Client, ClientError> {
        let found = client::by_id(&self.store, &shown.client_id).await?;
        let refusal = judge(found.as_ref(), shown).err();
        match (found, refusal) {
            (Some(client), None) => Ok(Client(client)),
            (found, refusal) => {
                let refusal = refusal.unwrap_or(ClientRefusal::Unknown);
                let known = found.map(|client| client.row.id);
                tracing::info!(client.id = known, reason = refusal.code(), "Refused a client");
                let event = origin.record(Event::ClientRefused(refusal), None, known.as_deref());
                audit_event::record(&self.store, event).await?;
                Err(ClientError::Refused)
            }
        }
    }
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
    let row = ClientRow {
        id: new.id.clone(),
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
        generation: 0,
        created_at: now,
        updated_at: now,
    };
    let event = origin.record(Event::ClientCreated, None, Some(&new.id));
    match client::create(store, row, &new.roles, kept, event).await? {
        Changed::Done => Ok(secret.map(|secret| SecretString::from(secret.to_string()))),
        Changed::NoMatch => Err(ClientChangeError::Taken(new.id)),
        Changed::Unknown => Err(ClientChangeError::Unknown),
        Changed::Full => Err(ClientChangeError::Full),
    }
}

/// Whether a client may be as it is described.
pub(crate) fn check(new: &NewClient) -> Result<(), ClientChangeError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(2..=64).contains(&new.id.len()) || !new.id.bytes().all(is_plain) || new.id.starts_with(id::USER) {
        return Err(ClientChangeError::Id);
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
    let event = origin.record(Event::ClientSecretAdded, None, Some(client_id));
    match client::add_secret(store, row, now + clock::seconds(overlap), event).await? {
        Changed::Done => Ok(SecretString::from(secret.to_string())),
        Changed::NoMatch | Changed::Unknown => Err(ClientChangeError::NotConfidential(client_id.to_owned())),
        Changed::Full => Err(ClientChangeError::Full),
    }
}

/// Enables or disables a client.
pub(crate) async fn set_state(
    store: &Store,
    client_id: &str,
    state: client::State,
    origin: &Origin,
) -> Result<(), ClientChangeError> {
    let event = origin.record(Event::ClientStateChanged, None, Some(client_id));
    match client::set_state(store, client_id, state, clock::now(), event).await? {
        Changed::Done => Ok(()),
        Changed::NoMatch | Changed::Unknown | Changed::Full => Err(ClientChangeError::NoSuchClient(client_id.to_owned())),
    }
}

/// A secret as it is kept.
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
