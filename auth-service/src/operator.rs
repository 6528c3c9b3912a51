//! What an operator may do: at the command line, or from a program that embeds the service.

mod audit;
mod desired_state;
mod explain;

use std::time::Duration;

use anyhow::{Context, ensure};
use secrecy::{ExposeSecret, SecretString};
use shared::scope::Scope;

use crate::{
    account::{self, NewUser, PasswordHashing, SessionList},
    app,
    audit::Origin,
    client::{self, NewClient},
    clock,
    config::Config,
    signing_key::{Rotator, When, state_of},
    store::{
        ClientRow, Store, client::State as ClientState, resource, role, session::Model as Session, signing_key,
        user::State as UserState,
    },
    token::StatusLists,
};

/// The operator's verbs. Each is recorded in the audit log.
#[derive(Clone)]
pub struct Operator {
    store: Store,
    hashing: PasswordHashing,
    rotator: Rotator,
    /// The published lists of a service in this process; another one sees a change within a second by itself.
    lists: Option<StatusLists>,
    origin: Origin,
    /// How many seconds audit events are kept.
    audit_retention: i64,
}

pub(crate) use self::desired_state::NotFound;
pub use self::explain::{TokenCheck, TokenReport};
pub use crate::apply::ApplyOptions;

/// A signing key, and what it does when.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    /// The key ID.
    pub id: String,
    /// How it signs.
    pub algorithm: String,
    /// announced, active, retiring, retired or revoked.
    pub state: &'static str,
    /// Since when it is listed, RFC 3339.
    pub announced_at: String,
    /// From when on it signs.
    pub sign_from: String,
    /// Until when it signs; none: until its successor does.
    pub sign_until: Option<String>,
    /// Until when it is listed.
    pub verify_until: Option<String>,
}

impl Operator {
    /// The operator at the command line, beside the service or without it.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let store = Store::open(config.database_url.expose_secret(), app::POOL_SIZE).await?;
        let hashing = PasswordHashing::new(config.hash_cost, config.password_min_length, 1);
        let rotator = app::rotator(config, &store);
        let audit_retention = clock::seconds(config.audit_retention);
        Ok(Self { store, hashing, rotator, lists: None, origin: Origin::local("command line"), audit_retention })
    }

    /// The operator of a service in this process.
    pub(crate) fn within(
        store: Store,
        hashing: PasswordHashing,
        rotator: Rotator,
        lists: StatusLists,
        audit_retention: i64,
    ) -> Self {
        Self { store, hashing, rotator, lists: Some(lists), origin: Origin::local("embedding program"), audit_retention }
    }

    /// Closes the database.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.store.close().await?)
    }

    /// Creates a user with these roles and returns their identifier.
    pub async fn add_user(&self, username: &str, password: &str, roles: &[&str]) -> anyhow::Result<String> {
        let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
        let new = NewUser { username, password, roles: &roles, must_change_password: false };
        Ok(account::create(&self.store, &self.hashing, new, &self.origin).await?)
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
        account::set_state(&self.store, username, state, &self.origin).await?;
        self.changed().await;
        Ok(())
    }

    /// Gives a user exactly these roles. Tokens follow at the next login or refresh.
    pub async fn set_roles(&self, username: &str, roles: &[&str]) -> anyhow::Result<()> {
        let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
        Ok(account::set_roles(&self.store, username, &roles, &self.origin).await?)
    }

    /// Creates a protected resource with these scopes.
    pub async fn add_resource(&self, id: &str, scope: &Scope) -> anyhow::Result<()> {
        let created = resource::create_if_absent(&self.store, id, scope, clock::now()).await?;
        ensure!(created, "there is a resource `{id}` already, and it stays as it is");
        Ok(())
    }

    /// Creates a role with these scopes.
    pub async fn add_role(&self, name: &str, scope: &Scope) -> anyhow::Result<()> {
        let known = resource::catalog(&self.store).await?.every_scope();
        let unknown = scope.difference(&known);
        ensure!(unknown.is_empty(), "no resource has the scope `{unknown}`; add the resource first");
        let created = role::create_if_absent(&self.store, name, scope, clock::now()).await?;
        ensure!(created, "there is a role `{name}` already, and it stays as it is");
        Ok(())
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
        Ok(self.session_list().of_user(&user.id).await?)
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

    /// The signing keys and what each does when, oldest first.
    pub async fn keys(&self) -> anyhow::Result<Vec<KeyPlan>> {
        let now = clock::now();
        let plan = signing_key::all(&self.store).await?.into_iter().map(|key| KeyPlan {
            state: state_of(&key, now).name(),
            announced_at: clock::rfc3339(key.announced_at),
            sign_from: clock::rfc3339(key.sign_from),
            sign_until: key.sign_until.map(clock::rfc3339),
            verify_until: key.verify_until.map(clock::rfc3339),
            id: key.id,
            algorithm: key.algorithm,
        });
        Ok(plan.collect())
    }

    /// When the successor of the newest key will be announced, RFC 3339.
    pub async fn next_announcement(&self) -> anyhow::Result<Option<String>> {
        let newest = signing_key::all(&self.store).await?.pop();
        Ok(newest.map(|key| clock::rfc3339(self.rotator.lifecycle.announce_at(key.sign_from))))
    }

    /// Announces the next signing key, or with `now` lets it sign at once.
    pub async fn rotate_key(&self, now: bool) -> anyhow::Result<()> {
        let when = if now { When::Now } else { When::Announced };
        let rotated = self.rotator.rotate(when, clock::now(), &self.origin).await?;
        ensure!(rotated, "the next key is announced already; `key list` says when it signs, --now lets it sign at once");
        Ok(())
    }

    /// Revokes a signing key: what it signed is worthless as soon as verifiers have the new key set.
    pub async fn revoke_key(&self, id: &str) -> anyhow::Result<()> {
        let revoked = self.rotator.revoke(id, clock::now(), &self.origin).await.context("the key was not revoked")?;
        ensure!(revoked, "there is no signing key `{id}`, or it was revoked before");
        Ok(())
    }

    fn session_list(&self) -> SessionList {
        SessionList { store: self.store.clone(), lists: self.lists.clone() }
    }

    async fn changed(&self) {
        if let Some(lists) = &self.lists {
            lists.changed().await;
        }
    }
}
