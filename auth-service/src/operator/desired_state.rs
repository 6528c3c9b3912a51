//! What a file may describe: applied from it, listed, shown and removed.

use std::path::Path;

use anyhow::ensure;

use super::Operator;
use crate::{
    account::Username,
    apply::{self, ApplyOptions},
    audit::{Applied, Event},
    clock,
    store::{
        client,
        desired_state::{self, Change, Executed, KnownClient, KnownUser, Snapshot},
        role::ADMIN,
        setting, user,
    },
};

/// There is nothing of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no {noun} `{name}`")]
pub(crate) struct NotFound {
    pub(crate) noun: &'static str,
    pub(crate) name: String,
}

impl Operator {
    /// Brings everything that a file describes to the state it describes, and returns what that took: a line for each
    /// difference, none if there was none.
    pub async fn apply(&self, file: &Path, options: ApplyOptions) -> anyhow::Result<Vec<String>> {
        let lines = apply::apply(&self.store, &self.hashing, file, options, &self.origin).await?;
        self.changed().await;
        Ok(lines)
    }

    /// Removes a protected resource and its scopes.
    pub async fn remove_resource(&self, id: &str) -> anyhow::Result<()> {
        ensure!(setting::find(&self.store, "issuer").await?.as_deref() != Some(id), "the issuer's own resource stays");
        let is_known = self.snapshot().await?.resources.contains_key(id);
        self.remove(
            "resource",
            id,
            is_known.then(|| (Change::RemoveResource(id.to_owned()), id.to_owned())),
            Applied::ResourceRemoved,
        )
        .await
    }

    /// Removes a role, also from everybody who holds it.
    pub async fn remove_role(&self, name: &str) -> anyhow::Result<()> {
        ensure!(name != ADMIN, "the role `{ADMIN}` stays");
        let is_known = self.snapshot().await?.roles.contains_key(name);
        self.remove("role", name, is_known.then(|| (Change::RemoveRole(name.to_owned()), name.to_owned())), Applied::RoleRemoved)
            .await
    }

    /// Removes a client, ends its sessions and revokes everything it was issued.
    pub async fn remove_client(&self, id: &str) -> anyhow::Result<()> {
        let is_known = self.client(id).await?.is_some();
        self.remove("client", id, is_known.then(|| (Change::RemoveClient(id.to_owned()), id.to_owned())), Applied::ClientRemoved)
            .await
    }

    /// Removes a user, ends their sessions and revokes their access tokens.
    pub async fn remove_user(&self, username: &str) -> anyhow::Result<()> {
        let known = self.user(username).await?.map(|user| user.row.id);
        self.remove("user", username, known.map(|id| (Change::RemoveUser(id.clone()), id)), Applied::UserRemoved).await
    }

    async fn remove(&self, noun: &'static str, name: &str, known: Option<(Change, String)>, what: Applied) -> anyhow::Result<()> {
        let (change, id) = known.ok_or_else(|| NotFound { noun, name: name.to_owned() })?;
        let event = self.origin.record(Event::Applied(what), Some(&id), None);
        let executed = desired_state::execute(&self.store, vec![(change, event)], ADMIN, clock::now()).await?;
        ensure!(executed == Executed::Done, "nobody who may log in would hold the role `{ADMIN}`; nothing was changed");
        self.changed().await;
        Ok(())
    }

    pub(crate) async fn snapshot(&self) -> anyhow::Result<Snapshot> {
        Ok(desired_state::snapshot(&self.store).await?)
    }

    pub(crate) async fn user(&self, username: &str) -> anyhow::Result<Option<KnownUser>> {
        let canonical: Username = username.parse()?;
        let Some(row) = user::by_canonical(&self.store, canonical.as_str()).await? else { return Ok(None) };
        let roles = user::roles(&self.store, &row.id).await?.into_iter().collect();
        Ok(Some(KnownUser { row, roles }))
    }

    pub(crate) async fn client(&self, id: &str) -> anyhow::Result<Option<KnownClient>> {
        let found = client::by_id(&self.store, id).await?;
        Ok(found.map(|found| KnownClient { row: found.row, roles: found.roles.into_iter().collect(), secrets: found.secrets }))
    }
}
