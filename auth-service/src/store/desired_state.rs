//! Everything that a desired state describes: read at one go, and changed in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ActiveValue::Set, DatabaseTransaction, ExprTrait, IntoActiveModel, QuerySelect, entity::prelude::*, sea_query::OnConflict,
};

use super::{
    AuditEvent, ClientRow, Store, StoreError, User, api_key, audit_event, change,
    client::{self, Secret, client_role, client_secret},
    resource::{self, resource_scope},
    role::{self, role_scope},
    session::{self, Ended, Which},
    setting,
    user::{self, user_role},
};

/// How many rows one statement inserts: databases bound the parameters of a statement.
const BATCH: usize = 500;

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

/// One change. What it ends, it ends in the same transaction.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    PutResource {
        id: String,
        scopes: BTreeSet<String>,
    },
    RemoveResource(String),
    PutRole {
        name: String,
        scopes: BTreeSet<String>,
    },
    RemoveRole(String),
    /// Puts a client with its roles; and its secrets, if they are told.
    PutClient {
        row: Box<ClientRow>,
        roles: BTreeSet<String>,
        secrets: Option<Vec<Secret>>,
    },
    RemoveClient(String),
    CreateUser {
        row: Box<User>,
        roles: BTreeSet<String>,
    },
    SetUserRoles {
        id: String,
        roles: BTreeSet<String>,
    },
    SetUserState {
        id: String,
        state: user::State,
    },
    SetUserPassword {
        id: String,
        password_hash: String,
    },
    RemoveUser(String),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executed {
    Done,
    /// Nobody who may log in would hold the role that administers; nothing was changed.
    LastAdmin,
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

/// Makes all of these changes and records each, or none of them; `admin` is the role that somebody must go on holding.
pub(crate) async fn execute(
    store: &Store,
    changes: Vec<(Change, AuditEvent)>,
    admin: &str,
    now: i64,
) -> Result<Executed, StoreError> {
    let transaction = store.database.begin().await?;
    // What `change` takes as well: nobody else changes who may do what meanwhile.
    setting::Entity::find_by_id(setting::FIRST_CONTENT).lock_exclusive().one(&transaction).await?;
    let had_admins = count_admins(&transaction, admin).await?;
    // A scope that moves from one resource to another must arrive before it leaves, or the roles would lose it.
    for (change, _) in &changes {
        if let Change::PutResource { id, scopes } = change {
            add_resource(&transaction, id, scopes, admin, now).await?;
        }
    }
    for (change, event) in changes {
        make(&transaction, change, now).await?;
        audit_event::insert(&transaction, event).await?;
    }
    if had_admins > 0 && count_admins(&transaction, admin).await? == 0 {
        return Ok(Executed::LastAdmin);
    }
    store.known.mark(&transaction).await?;
    transaction.commit().await?;
    store.known.changed();
    Ok(Executed::Done)
}

/// How many people who may log in hold this role.
async fn count_admins(transaction: &DatabaseTransaction, admin: &str) -> Result<u64, StoreError> {
    let holders: Vec<String> = user_role::Entity::find()
        .select_only()
        .column(user_role::Column::UserId)
        .filter(user_role::Column::Role.eq(admin))
        .into_tuple()
        .all(transaction)
        .await?;
    let active = user::Entity::find().filter(user::Column::Id.is_in(holders)).filter(user::Column::State.eq(user::State::Active));
    Ok(active.count(transaction).await?)
}

async fn make(transaction: &DatabaseTransaction, change: Change, now: i64) -> Result<(), StoreError> {
    match change {
        Change::PutResource { id, scopes } => {
            resource_scope::Entity::delete_many()
                .filter(resource_scope::Column::ResourceId.eq(id))
                .filter(resource_scope::Column::Scope.is_not_in(scopes))
                .exec(transaction)
                .await?;
        }
        Change::RemoveResource(id) => {
            resource::Entity::delete_by_id(id).exec(transaction).await?;
        }
        Change::PutRole { name, scopes } => put_role(transaction, &name, scopes, now).await?,
        Change::RemoveRole(name) => {
            role::Entity::delete_by_id(name).exec(transaction).await?;
        }
        Change::PutClient { row, roles, secrets } => put_client(transaction, *row, roles, secrets, now).await?,
        Change::RemoveClient(id) => {
            change::client::end_everything(transaction, &id, now).await?;
            client::Entity::delete_by_id(id).exec(transaction).await?;
        }
        Change::CreateUser { row, roles } => {
            let id = row.id.clone();
            user::Entity::insert(row.into_active_model()).exec_without_returning(transaction).await?;
            give(transaction, &id, roles).await?;
        }
        Change::SetUserRoles { id, roles } => {
            user::Entity::update_many()
                .col_expr(user::Column::Version, Expr::col(user::Column::Version).add(1))
                .filter(user::Column::Id.eq(&id))
                .exec(transaction)
                .await?;
            user_role::Entity::delete_many().filter(user_role::Column::UserId.eq(&id)).exec(transaction).await?;
            give(transaction, &id, roles).await?;
            api_key::end_tokens_of_user(transaction, &id, now).await?;
        }
        Change::SetUserState { id, state } => {
            let changed = [(user::Column::State, Expr::value(state))];
            change_user(transaction, &id, changed, now).await?;
            match state {
                user::State::Active => {}
                user::State::Disabled => {
                    session::end_within(transaction, Which::OfUser(&id), Ended::UserDisabled, now).await?;
                }
            }
        }
        Change::SetUserPassword { id, password_hash } => {
            let changed = [
                (user::Column::PasswordHash, Expr::value(password_hash)),
                (user::Column::MustChangePassword, Expr::value(false)),
            ];
            change_user(transaction, &id, changed, now).await?;
            session::end_within(transaction, Which::OfUser(&id), Ended::PasswordChanged, now).await?;
        }
        Change::RemoveUser(id) => {
            session::end_within(transaction, Which::OfUser(&id), Ended::UserDisabled, now).await?;
            user::Entity::delete_by_id(id).exec(transaction).await?;
        }
    }
    Ok(())
}

/// Makes sure that a resource is there and has these scopes, whoever had them before.
async fn add_resource(
    transaction: &DatabaseTransaction,
    id: &str,
    scopes: &BTreeSet<String>,
    admin: &str,
    now: i64,
) -> Result<(), StoreError> {
    resource::Entity::insert(resource::ActiveModel { id: Set(id.to_owned()), created_at: Set(now), version: Set(0) })
        .on_conflict(OnConflict::column(resource::Column::Id).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    resource::Entity::update_many()
        .col_expr(resource::Column::Version, Expr::col(resource::Column::Version).add(1))
        .filter(resource::Column::Id.eq(id))
        .exec(transaction)
        .await?;
    let known: Vec<String> = resource_scope::Entity::find()
        .select_only()
        .column(resource_scope::Column::Scope)
        .filter(resource_scope::Column::Scope.is_in(scopes))
        .into_tuple()
        .all(transaction)
        .await?;
    for scope in scopes {
        resource_scope::Entity::insert(resource_scope::ActiveModel {
            scope: Set(scope.clone()),
            resource_id: Set(id.to_owned()),
        })
        .on_conflict(
            OnConflict::column(resource_scope::Column::Scope).update_column(resource_scope::Column::ResourceId).to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    }
    // As everywhere, a scope that comes to be is the role `admin`'s from the beginning.
    for scope in scopes.iter().filter(|scope| !known.contains(scope)) {
        role_scope::Entity::insert(role_scope::ActiveModel { role: Set(admin.to_owned()), scope: Set(scope.clone()) })
            .on_conflict(OnConflict::columns([role_scope::Column::Role, role_scope::Column::Scope]).do_nothing().to_owned())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}

async fn put_role(transaction: &DatabaseTransaction, name: &str, scopes: BTreeSet<String>, now: i64) -> Result<(), StoreError> {
    role::Entity::insert(role::ActiveModel { name: Set(name.to_owned()), created_at: Set(now), version: Set(0) })
        .on_conflict(OnConflict::column(role::Column::Name).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    role::Entity::update_many()
        .col_expr(role::Column::Version, Expr::col(role::Column::Version).add(1))
        .filter(role::Column::Name.eq(name))
        .exec(transaction)
        .await?;
    role_scope::Entity::delete_many().filter(role_scope::Column::Role.eq(name)).exec(transaction).await?;
    let rows: Vec<_> =
        scopes.into_iter().map(|scope| role_scope::ActiveModel { role: Set(name.to_owned()), scope: Set(scope) }).collect();
    for rows in rows.chunks(BATCH) {
        role_scope::Entity::insert_many(rows.to_vec()).exec_without_returning(transaction).await?;
    }
    Ok(())
}

async fn put_client(
    transaction: &DatabaseTransaction,
    row: ClientRow,
    roles: BTreeSet<String>,
    secrets: Option<Vec<Secret>>,
    now: i64,
) -> Result<(), StoreError> {
    let (id, state) = (row.id.clone(), row.state);
    // The row may be older than a change that came in between: its own counter decides, not what was read.
    let known = client::Entity::find_by_id(&id).lock_exclusive().one(transaction).await?;
    match known {
        None => {
            client::Entity::insert(row.into_active_model()).exec_without_returning(transaction).await?;
        }
        Some(known) => {
            let was = known.state;
            let generation = if was == state { known.generation } else { known.generation + 1 };
            let version = known.version + 1;
            let changed = ClientRow { generation, version, created_at: known.created_at, updated_at: now, ..row };
            client::Entity::update(changed.into_active_model().reset_all()).exec(transaction).await?;
            match state {
                client::State::Disabled if was != state => change::client::end_everything(transaction, &id, now).await?,
                client::State::Active | client::State::Disabled => {}
            }
        }
    }
    client_role::Entity::delete_many().filter(client_role::Column::ClientId.eq(&id)).exec(transaction).await?;
    for role in roles {
        let row = client_role::ActiveModel { client_id: Set(id.clone()), role: Set(role) };
        client_role::Entity::insert(row).exec_without_returning(transaction).await?;
    }
    if let Some(secrets) = secrets {
        client_secret::Entity::delete_many().filter(client_secret::Column::ClientId.eq(&id)).exec(transaction).await?;
        for secret in secrets {
            client_secret::Entity::insert(secret.into_active_model()).exec_without_returning(transaction).await?;
        }
    }
    Ok(())
}

async fn give(transaction: &DatabaseTransaction, id: &str, roles: BTreeSet<String>) -> Result<(), StoreError> {
    for role in roles {
        let row = user_role::ActiveModel { user_id: Set(id.to_owned()), role: Set(role) };
        user_role::Entity::insert(row).exec_without_returning(transaction).await?;
    }
    Ok(())
}

async fn change_user<const N: usize>(
    transaction: &DatabaseTransaction,
    id: &str,
    changed: [(user::Column, Expr); N],
    now: i64,
) -> Result<(), StoreError> {
    let mut update = user::Entity::update_many()
        .col_expr(user::Column::Generation, Expr::col(user::Column::Generation).add(1))
        .col_expr(user::Column::Version, Expr::col(user::Column::Version).add(1))
        .col_expr(user::Column::UpdatedAt, Expr::value(now));
    for (column, value) in changed {
        update = update.col_expr(column, value);
    }
    update.filter(user::Column::Id.eq(id)).exec(transaction).await?;
    Ok(())
}
