//! Clients and their secrets, as administrators see and change them.

use std::time::Duration;

use secrecy::SecretString;
use shared::server::entity_tag::Precondition;
use url::Url;

use super::{About, Actor, AdminError, Listed, cut, roles::scope_of, users::distinct};
use crate::{
    audit::Event,
    client::{self, ClientChangeError, Kind, NewClient},
    clock, secret,
    store::{
        Client, Store,
        change::{self, Outcome},
        client::{Secret, State},
        resource,
    },
    token::StatusLists,
};

const NOUN: &str = "client";
/// How long an old secret may go on beside a new one.
const MAX_OVERLAP: Duration = Duration::from_hours(24 * 90);

/// The clients, for administrators.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) store: Store,
    pub(crate) lists: StatusLists,
}

/// What can be changed of a client.
pub(crate) struct ClientDraft {
    pub(crate) state: State,
    pub(crate) grants: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) default_resource: Option<String>,
    pub(crate) serves: Option<String>,
    pub(crate) cors_origins: Vec<String>,
    /// Seconds.
    pub(crate) access_token_lifetime: Option<u32>,
    pub(crate) refresh_idle_lifetime: Option<u32>,
    pub(crate) refresh_absolute_lifetime: Option<u32>,
}

/// A client that was created, and its secret, to be shown once.
pub(crate) struct Registered {
    pub(crate) client: Client,
    pub(crate) secret: Option<SecretString>,
}

impl Clients {
    /// A page of clients by identifier.
    pub(crate) async fn list(&self, after: Option<&str>, limit: u32) -> Result<Listed<Client>, AdminError> {
        let clients = crate::store::client::page(&self.store, after, u64::from(limit) + 1).await?;
        Ok(cut(clients, limit, |client| client.row.id.clone()))
    }

    /// A client with what it is allowed.
    pub(crate) async fn read(&self, id: &str) -> Result<Client, AdminError> {
        crate::store::client::by_id(&self.store, id).await?.ok_or(AdminError::NotFound(NOUN))
    }

    /// Registers a client; a confidential one gets a secret.
    pub(crate) async fn create(
        &self,
        actor: &Actor,
        id: String,
        kind: Kind,
        draft: ClientDraft,
    ) -> Result<Registered, AdminError> {
        let new = self.acceptable(id.clone(), kind, &draft).await?;
        let now = clock::now();
        let secret = match kind {
            Kind::Public => None,
            Kind::Confidential => Some(secret::make(secret::Kind::ClientSecret)),
        };
        let kept = secret.as_ref().map(|secret| client::secret_row(&id, secret, now));
        let roles = new.roles.clone();
        let mut row = client::row(new, now);
        row.state = draft.state;
        let deed = actor.deed(&Precondition::None, actor.origin.record(Event::ClientCreated, None, Some(&id)));
        let outcome = change::client::create(&self.store, deed, row, &roles, kept).await?;
        self.settled(actor, outcome, &id).await?;
        let secret = secret.map(|secret| SecretString::from(secret.to_string()));
        Ok(Registered { client: self.read(&id).await?, secret })
    }

    /// Replaces everything of a client but its identifier, its kind and its secrets.
    pub(crate) async fn replace(
        &self,
        actor: &Actor,
        id: &str,
        precondition: &Precondition,
        draft: ClientDraft,
    ) -> Result<Client, AdminError> {
        let before = self.read(id).await?;
        let new = self.acceptable(id.to_owned(), before.row.kind, &draft).await?;
        let roles = new.roles.clone();
        let mut row = client::row(new, clock::now());
        row.state = draft.state;
        let deed = actor.deed(precondition, actor.origin.record(Event::ClientChanged, None, Some(id)));
        let outcome = change::client::replace(&self.store, deed, row, &roles).await?;
        self.settled(actor, outcome, id).await?;
        self.read(id).await
    }

    /// Deletes a client, and revokes what it was issued.
    pub(crate) async fn delete(&self, actor: &Actor, id: &str, precondition: &Precondition) -> Result<(), AdminError> {
        let deed = actor.deed(precondition, actor.origin.record(Event::ClientDeleted, None, Some(id)));
        let outcome = change::client::delete(&self.store, deed, id).await?;
        self.settled(actor, outcome, id).await
    }

    /// Adds a secret, and lets the others end after `overlap`.
    pub(crate) async fn add_secret(
        &self,
        actor: &Actor,
        id: &str,
        overlap: Duration,
    ) -> Result<(Secret, SecretString), AdminError> {
        if overlap > MAX_OVERLAP {
            return Err(AdminError::unacceptable("overlap", "is 90 days at most, in seconds"));
        }
        if self.read(id).await?.row.kind == Kind::Public {
            return Err(AdminError::Conflict("A public client has no secrets.".to_owned()));
        }
        let now = clock::now();
        let secret = secret::make(secret::Kind::ClientSecret);
        let row = client::secret_row(id, &secret, now);
        let deed = actor.deed(&Precondition::None, actor.origin.record(Event::ClientSecretAdded, None, Some(id)));
        let outcome = change::client::add_secret(&self.store, deed, row.clone(), now + clock::seconds(overlap)).await?;
        self.settled(actor, outcome, id).await?;
        Ok((row, SecretString::from(secret.to_string())))
    }

    /// Takes a secret away.
    pub(crate) async fn remove_secret(&self, actor: &Actor, id: &str, secret_id: &str) -> Result<(), AdminError> {
        let deed = actor.deed(&Precondition::None, actor.origin.record(Event::ClientSecretRemoved, None, Some(id)));
        let outcome = change::client::remove_secret(&self.store, deed, id, secret_id).await?;
        self.settled(actor, outcome, id).await
    }

    /// What a draft amounts to, if all that it names exists.
    async fn acceptable(&self, id: String, kind: Kind, draft: &ClientDraft) -> Result<NewClient, AdminError> {
        let catalog = resource::catalog(&self.store).await?;
        let scope = scope_of(draft.scopes.clone())?;
        if !catalog.every_scope().contains_all(&scope) {
            return Err(AdminError::unacceptable("scopes", "names a scope that does not exist"));
        }
        for (field, named) in [("default_resource", &draft.default_resource), ("serves", &draft.serves)] {
            if named.as_deref().is_some_and(|id| catalog.scope_of(id).is_none()) {
                return Err(AdminError::unacceptable(field, "names a resource that does not exist"));
            }
        }
        if !draft.cors_origins.iter().all(|origin| is_origin(origin)) {
            let message = "an origin is a scheme, a host and, if it is not the usual one, a port: https://app.example";
            return Err(AdminError::unacceptable("cors_origins", message));
        }
        let seconds = |lifetime: Option<u32>| lifetime.map(|seconds| Duration::from_secs(seconds.into()));
        let new = NewClient {
            id,
            kind,
            grants: distinct(draft.grants.clone()),
            scope,
            roles: distinct(draft.roles.clone()),
            default_resource: draft.default_resource.clone(),
            serves: draft.serves.clone(),
            cors_origins: distinct(draft.cors_origins.clone()),
            access_token_lifetime: seconds(draft.access_token_lifetime),
            refresh_idle_lifetime: seconds(draft.refresh_idle_lifetime),
            refresh_absolute_lifetime: seconds(draft.refresh_absolute_lifetime),
        };
        client::check(&new)?;
        Ok(new)
    }

    async fn settled(&self, actor: &Actor, outcome: Outcome, id: &str) -> Result<(), AdminError> {
        actor.settle(&self.store, outcome, NOUN, About::Client(id)).await?;
        self.lists.changed().await;
        Ok(())
    }
}

/// Whether a text is a browser origin exactly as browsers send it (RFC 6454 §6.2).
fn is_origin(text: &str) -> bool {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    is_web && text.len() <= 255 && Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

impl From<ClientChangeError> for AdminError {
    fn from(error: ClientChangeError) -> Self {
        let field = match error {
            ClientChangeError::Store(error) => return Self::Store(error),
            ClientChangeError::Id => "id",
            ClientChangeError::Grant(..) | ClientChangeError::PublicCredentials => "grants",
            ClientChangeError::Lifetime => "access_token_lifetime",
            ClientChangeError::Unknown => "scopes",
            ClientChangeError::Taken(_) | ClientChangeError::Full => return Self::Conflict(error.to_string()),
            ClientChangeError::NotConfidential(_) | ClientChangeError::NoSuchClient(_) => return Self::NotFound(NOUN),
        };
        // The grant that does not exist is the caller's spelling: it stays out of the answer.
        let message = match error {
            ClientChangeError::Grant(_, known) => format!("there are {known}"),
            other => other.to_string(),
        };
        Self::unacceptable(field, message)
    }
}
