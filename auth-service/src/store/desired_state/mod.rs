//! Everything that a desired state describes: read at one go, and changed in one transaction.

mod put;
mod snapshot;

use std::collections::BTreeSet;

use sea_orm::{ActiveValue::Set, DatabaseTransaction, ExprTrait, IntoActiveModel, QuerySelect, entity::prelude::*};

use self::put::{add_resource, put_client, put_role};
pub(crate) use self::snapshot::{KnownClient, KnownUser, Snapshot, snapshot};
use super::{
    AuditEvent, ClientRow, Store, StoreError, User, api_key, audit_event, change,
    client::{self, Secret},
    resource::{self, resource_scope},
    role,
    session::{self, Ended, Which},
    setting,
    user::{self, user_role},
};

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
                .col_expr(user::Column::UpdatedAt, Expr::value(now))
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
