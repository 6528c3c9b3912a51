//! What an operator may do: at the command line, or from a program that embeds the service.

mod audit;
mod desired_state;
mod explain;
mod signing_keys;

use std::time::Duration;

use anyhow::{bail, ensure};
use secrecy::{ExposeSecret, SecretString};
use shared::scope::Scope;

use crate::{
    account::{self, NewUser, PasswordHashing, Session, SessionList},
    admin::rank::{by_operator, for_the_operator, without_exception},
    api_key::{ApiKeys, NewApiKey, Page, Whose},
    app,
    audit::{Event, Origin},
    client::{self, NewClient},
    clock,
    config::Config,
    signing_key::Rotator,
    store::{
        ClientRow, Store,
        change::{self, Outcome, Rule},
        client::State as ClientState,
        resource,
        user::State as UserState,
    },
    throttle::Throttle,
    token::{Places, StatusLists},
};

/// How many sessions are read at once.
const SESSION_PAGE: u32 = 1000;

/// The operator's verbs. Each is recorded in the audit log.
#[derive(Clone)]
pub struct Operator {
    store: Store,
    hashing: PasswordHashing,
    throttle: Throttle,
    places: Places,
    rotator: Rotator,
    /// The published lists of a service in this process; another one sees a change within a second by itself.
    lists: Option<StatusLists>,
    origin: Origin,
    rule: Rule,
    /// How many seconds audit events are kept.
    audit_retention: i64,
}

pub(crate) use self::desired_state::NotFound;
pub use self::{
    explain::{TokenCheck, TokenReport},
    signing_keys::KeyPlan,
};
pub use crate::apply::ApplyOptions;

impl Operator {
    /// The operator at the command line, beside the service or without it.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let store = Store::open(config.database_url.expose_secret(), app::POOL_SIZE).await?;
        let issuer = config.issuer.as_deref().unwrap_or_default();
        let hashing = app::hashing(config, issuer, 1);
        let throttle = app::throttle(config, &store).await?;
        let places = Places::new(store.clone(), issuer);
        let rotator = app::rotator(config, &store);
        let origin = Origin::local("command line");
        let audit_retention = clock::seconds(config.audit_retention);
        Ok(Self { store, hashing, throttle, places, rotator, lists: None, origin, rule: for_the_operator, audit_retention })
    }

    /// The operator of a service in this process.
    pub(crate) fn within(
        store: Store,
        hashing: PasswordHashing,
        throttle: Throttle,
        sessions: SessionList,
        rotator: Rotator,
        audit_retention: i64,
    ) -> Self {
        let (places, lists) = (sessions.places, sessions.lists);
        let origin = Origin::local("embedding program");
        Self { store, hashing, throttle, places, rotator, lists, origin, rule: for_the_operator, audit_retention }
    }

    /// The same operator, who may also disable or strip the last active holder of the role `admin`.
    #[must_use]
    pub fn even_the_last_admin(self) -> Self {
        Self { rule: without_exception, ..self }
    }

    /// Closes the database.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.store.close().await?)
    }

    /// Creates a user with these roles and returns their identifier.
    pub async fn add_user(&self, username: &str, password: &str, roles: &[&str]) -> anyhow::Result<String> {
        let new = NewUser { username, password, roles: &owned(roles), must_change_password: false };
        Ok(account::create(&self.store, &self.hashing, new, &self.origin).await?)
    }

    /// Creates a user who brings the hash of their password along: Argon2, bcrypt or PBKDF2. It is replaced at the first
    /// login.
    pub async fn import_user(&self, username: &str, password_hash: &str, roles: &[&str]) -> anyhow::Result<String> {
        Ok(account::import(&self.store, username, password_hash, &owned(roles), &self.origin).await?)
    }

    /// Makes an invitation to register, which brings these roles and ends after `lifetime`: its code is shown once.
    pub async fn invite(&self, roles: &[&str], lifetime: Duration) -> anyhow::Result<SecretString> {
        Ok(account::invite(&self.store, &owned(roles), lifetime, &self.origin).await?)
    }

    /// Forgets the wrong passwords that strangers have tried on a user, so that nobody has to wait any more.
    pub async fn unlock_user(&self, username: &str) -> anyhow::Result<()> {
        let user = account::find(&self.store, username).await?;
        let forgiven = self.throttle.forgive(&user.canonical, &user.id, &self.origin).await?;
        ensure!(forgiven, "nobody has guessed at the password of `{username}` lately");
        Ok(())
    }

    /// Gives a user another password, which ends their sessions.
    pub async fn set_password(&self, username: &str, password: &str) -> anyhow::Result<()> {
        account::set_password(&self.store, &self.hashing, username, password, false, &self.origin).await?;
        self.changed().await;
        Ok(())
    }

    /// Lets a user log in or not; disabling ends their sessions and revokes their access tokens.
    pub async fn enable_user(&self, username: &str, enabled: bool) -> anyhow::Result<()> {
        let state = if enabled { UserState::Active } else { UserState::Disabled };
        account::set_state(&self.store, username, state, self.rule, &self.origin).await?;
        self.changed().await;
        Ok(())
    }

    /// Gives a user exactly these roles. Tokens follow at the next login or refresh, those of API keys at once.
    pub async fn set_roles(&self, username: &str, roles: &[&str]) -> anyhow::Result<()> {
        account::set_roles(&self.store, username, &owned(roles), self.rule, &self.origin).await?;
        self.changed().await;
        Ok(())
    }

    /// Creates a protected resource with these scopes.
    pub async fn add_resource(&self, id: &str, scope: &Scope) -> anyhow::Result<()> {
        let deed = by_operator(self.rule, self.origin.record(Event::ResourceCreated, Some(id), None));
        match change::resource::create(&self.store, deed, id, scope).await? {
            Outcome::Done => Ok(()),
            Outcome::InUse(why) => bail!("{why}"),
            _ => bail!("there is a resource `{id}` already, and it stays as it is"),
        }
    }

    /// Creates a role with these scopes.
    pub async fn add_role(&self, name: &str, scope: &Scope) -> anyhow::Result<()> {
        let known = resource::catalog(&self.store).await?.every_scope();
        let unknown = scope.difference(&known);
        ensure!(unknown.is_empty(), "no resource has the scope `{unknown}`; add the resource first");
        let deed = by_operator(self.rule, self.origin.record(Event::RoleCreated, Some(name), None));
        match change::role::create(&self.store, deed, name, scope).await? {
            Outcome::Done => Ok(()),
            Outcome::Unknown(_) => bail!("one of the scopes was removed just now"),
            _ => bail!("there is a role `{name}` already, and it stays as it is"),
        }
    }

    /// Registers a client and returns the secret of a confidential one: it is shown once.
    pub async fn add_client(&self, new: NewClient) -> anyhow::Result<Option<SecretString>> {
        Ok(client::create(&self.store, new, &self.origin).await?)
    }

    /// Adds a secret to a client, and lets the others end after `overlap`; returns the new one, which is shown once.
    pub async fn add_client_secret(&self, client_id: &str, overlap: Duration) -> anyhow::Result<SecretString> {
        Ok(client::add_secret(&self.store, client_id, overlap, &self.origin).await?)
    }

    /// Lets a client be used or not; disabling ends its sessions and revokes everything it was issued.
    pub async fn enable_client(&self, client_id: &str, enabled: bool) -> anyhow::Result<()> {
        let state = if enabled { ClientState::Active } else { ClientState::Disabled };
        client::set_state(&self.store, client_id, state, &self.origin).await?;
        self.changed().await;
        Ok(())
    }

    pub(crate) async fn clients(&self) -> anyhow::Result<Vec<ClientRow>> {
        Ok(crate::store::client::all(&self.store).await?)
    }

    pub(crate) async fn sessions(&self, username: &str) -> anyhow::Result<Vec<Session>> {
        let user = account::find(&self.store, username).await?;
        let list = self.session_list();
        let mut page = list.of_user(&user.id, None, SESSION_PAGE).await?;
        let mut sessions = page.sessions;
        while let Some(after) = page.next {
            page = list.of_user(&user.id, Some(&after), SESSION_PAGE).await?;
            sessions.append(&mut page.sessions);
        }
        Ok(sessions)
    }

    /// Ends a session and revokes its access tokens.
    pub async fn end_session(&self, session_id: &str) -> anyhow::Result<()> {
        let ended = self.session_list().end(session_id, &self.origin).await?;
        ensure!(ended, "there is no session `{session_id}`, or it has ended");
        Ok(())
    }

    /// Ends every session of a user, and says how many that were.
    pub async fn end_sessions(&self, username: &str) -> anyhow::Result<u64> {
        let user = account::find(&self.store, username).await?;
        Ok(self.session_list().end_all(&user.id, &self.origin).await?)
    }

    /// Makes an API key for a user and returns it: it is shown once.
    pub async fn add_api_key(&self, username: &str, new: NewApiKey<'_>) -> anyhow::Result<SecretString> {
        let user = account::find(&self.store, username).await?;
        let (_, key) = self.api_key_list().create(&user.id, new, &self.origin).await?;
        Ok(key)
    }

    pub(crate) async fn api_keys(&self, username: Option<&str>, after: Option<&str>) -> anyhow::Result<Page> {
        const LIMIT: u32 = 100;
        let owner = match username {
            Some(username) => Some(account::find(&self.store, username).await?.id),
            None => None,
        };
        Ok(self.api_key_list().page(owner.as_deref().map_or(Whose::Anybody, Whose::Of), after, LIMIT).await?)
    }

    /// Gives an API key another secret, and lets the old key end after `overlap`; returns the new one, which is shown once.
    pub async fn rotate_api_key(&self, id: &str, overlap: Duration) -> anyhow::Result<SecretString> {
        let (_, key) = self.api_key_list().rotate(Whose::Anybody, id, overlap, &self.origin).await?;
        Ok(key)
    }

    /// Revokes an API key and the access tokens that it was exchanged for.
    pub async fn revoke_api_key(&self, id: &str) -> anyhow::Result<()> {
        Ok(self.api_key_list().revoke(Whose::Anybody, id, &self.origin).await?)
    }

    fn api_key_list(&self) -> ApiKeys {
        ApiKeys { store: self.store.clone(), lists: self.lists.clone() }
    }

    fn session_list(&self) -> SessionList {
        SessionList { store: self.store.clone(), places: self.places.clone(), lists: self.lists.clone() }
    }

    async fn changed(&self) {
        if let Some(lists) = &self.lists {
            lists.changed().await;
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
