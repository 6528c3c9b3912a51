//! What there is, read at one go.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::entity::prelude::*;

use crate::store::{
    ClientRow, Store, StoreError, User,
    client::{self, Secret, client_role, client_secret},
    resource::{self, resource_scope},
    role::{self, role_scope},
    user::{self, user_role},
};

/// What there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Scopes by resource.
    pub(crate) resources: BTreeMap<String, BTreeSet<String>>,
    /// Scopes by role.
    pub(crate) roles: BTreeMap<String, BTreeSet<String>>,
    pub(crate) clients: BTreeMap<String, KnownClient>,
    /// By canonical name.
    pub(crate) users: BTreeMap<String, KnownUser>,
}

/// A client as it is.
#[derive(Clone, Debug)]
pub(crate) struct KnownClient {
    pub(crate) row: ClientRow,
    pub(crate) roles: BTreeSet<String>,
    pub(crate) secrets: Vec<Secret>,
}

/// A user as they are.
#[derive(Clone, Debug)]
pub(crate) struct KnownUser {
    pub(crate) row: User,
    pub(crate) roles: BTreeSet<String>,
}

/// Reads everything.
pub(crate) async fn snapshot(store: &Store) -> Result<Snapshot, StoreError> {
    let reader = store.database.reader();
    let mut snapshot = Snapshot::default();
    for row in resource::Entity::find().all(reader).await? {
        snapshot.resources.entry(row.id).or_default();
    }
    for row in resource_scope::Entity::find().all(reader).await? {
        snapshot.resources.entry(row.resource_id).or_default().insert(row.scope);
    }
    for row in role::Entity::find().all(reader).await? {
        snapshot.roles.entry(row.name).or_default();
    }
    for row in role_scope::Entity::find().all(reader).await? {
        snapshot.roles.entry(row.role).or_default().insert(row.scope);
    }
    for row in client::Entity::find().all(reader).await? {
        let id = row.id.clone();
        snapshot.clients.insert(id, KnownClient { row, roles: BTreeSet::new(), secrets: Vec::new() });
    }
    for row in client_role::Entity::find().all(reader).await? {
        if let Some(client) = snapshot.clients.get_mut(&row.client_id) {
            client.roles.insert(row.role);
        }
    }
    for row in client_secret::Entity::find().all(reader).await? {
        if let Some(client) = snapshot.clients.get_mut(&row.client_id) {
            client.secrets.push(row);
        }
    }
    let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in user_role::Entity::find().all(reader).await? {
        roles.entry(row.user_id).or_default().insert(row.role);
    }
    for row in user::Entity::find().all(reader).await? {
        let roles = roles.remove(&row.id).unwrap_or_default();
        snapshot.users.insert(row.canonical.clone(), KnownUser { row, roles });
    }
    Ok(snapshot)
}
