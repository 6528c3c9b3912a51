//! Resources, roles and clients, made to be as a change describes them.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveValue::Set, DatabaseTransaction, ExprTrait, IntoActiveModel, QuerySelect, entity::prelude::*, sea_query::OnConflict,
};

use crate::store::{
    ClientRow, StoreError, change,
    client::{self, Secret, client_role, client_secret},
    resource::{self, resource_scope},
    role::{self, role_scope},
};

/// How many rows one statement inserts: databases bound the parameters of a statement.
const BATCH: usize = 500;

/// Makes sure that a resource is there and has these scopes, whoever had them before.
pub(super) async fn add_resource(
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

pub(super) async fn put_role(
    transaction: &DatabaseTransaction,
    name: &str,
    scopes: BTreeSet<String>,
    now: i64,
) -> Result<(), StoreError> {
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

pub(super) async fn put_client(
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
