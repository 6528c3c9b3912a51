//! Changes of a protected resource. Every scope that comes to be is the role `admin`'s from the beginning, so that there is
//! somebody who can give it to others.

use sea_orm::{
    ActiveValue::Set, Condition, ConnectionTrait, DatabaseTransaction, SqlErr, entity::prelude::*, sea_query::OnConflict,
};
use shared::scope::Scope;

use super::{Deed, Facts, Outcome};
use crate::store::{
    Store, StoreError, client,
    resource::{ActiveModel, Column, Entity, resource_scope, scope_of},
    role::{self, ADMIN, role_scope},
};

const VERSION: (Column, Column) = (Column::Id, Column::Version);

/// Creates a resource with these scopes.
pub(crate) async fn create(store: &Store, deed: Deed, id: &str, scope: &Scope) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.judge(&transaction, Facts::default()).await? {
        return Ok(outcome);
    }
    let row = ActiveModel { id: Set(id.to_owned()), created_at: Set(deed.now), version: Set(1) };
    if let Err(error) = Entity::insert(row).exec_without_returning(&transaction).await {
        return match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(Outcome::Taken),
            _ => Err(error.into()),
        };
    }
    if !add(&transaction, id, scope).await? {
        return Ok(Outcome::InUse("one of the scopes belongs to another resource".to_owned()));
    }
    deed.done(store, transaction).await
}

/// Gives a resource exactly these scopes; one that a role or a client still has cannot go.
pub(crate) async fn replace(store: &Store, deed: Deed, id: &str, scope: &Scope) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    if let Err(outcome) = deed.judge(&transaction, Facts::default()).await? {
        return Ok(outcome);
    }
    let before = scope_of(&transaction, id).await?;
    let gone = before.difference(scope);
    if let Some(user) = user_of_scopes(&transaction, &gone).await? {
        return Ok(Outcome::InUse(user));
    }
    remove(&transaction, &gone).await?;
    if !add(&transaction, id, &scope.difference(&before)).await? {
        return Ok(Outcome::InUse("one of the scopes belongs to another resource".to_owned()));
    }
    deed.done(store, transaction).await
}

/// Deletes a resource that no role and no client needs any more.
pub(crate) async fn delete(store: &Store, deed: Deed, id: &str) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    if let Err(outcome) = deed.judge(&transaction, Facts::default()).await? {
        return Ok(outcome);
    }
    let scope = scope_of(&transaction, id).await?;
    let named = Condition::any().add(client::Column::DefaultResource.eq(id)).add(client::Column::Serves.eq(id));
    let by_name = client::Entity::find().filter(named).one(&transaction).await?;
    let by_name = by_name.map(|client| format!("the client `{}` names the resource", client.id));
    let user = match by_name {
        Some(user) => Some(user),
        None => user_of_scopes(&transaction, &scope).await?,
    };
    if let Some(user) = user {
        return Ok(Outcome::InUse(user));
    }
    remove(&transaction, &scope).await?;
    Entity::delete_by_id(id).exec(&transaction).await?;
    deed.done(store, transaction).await
}

/// Who still has one of these scopes, apart from the role `admin`, which has every scope there is.
async fn user_of_scopes(connection: &impl ConnectionTrait, scope: &Scope) -> Result<Option<String>, StoreError> {
    if scope.is_empty() {
        return Ok(None);
    }
    let role = role_scope::Entity::find()
        .filter(role_scope::Column::Scope.is_in(scope.iter()))
        .filter(role_scope::Column::Role.ne(ADMIN))
        .one(connection)
        .await?;
    if let Some(role) = role {
        return Ok(Some(format!("the role `{}` holds a scope of it", role.role)));
    }
    let clients = client::Entity::find().filter(client::Column::Scopes.ne("")).all(connection).await?;
    let holder = clients.into_iter().find(|client| client.scopes.split(' ').any(|token| scope.contains(token)));
    Ok(holder.map(|client| format!("the client `{}` may ask for a scope of it", client.id)))
}

/// Adds scopes to a resource; false if one of them belongs to another.
async fn add(transaction: &DatabaseTransaction, id: &str, scope: &Scope) -> Result<bool, StoreError> {
    if scope.is_empty() {
        return Ok(true);
    }
    let rows =
        scope.iter().map(|token| resource_scope::ActiveModel { scope: Set(token.to_owned()), resource_id: Set(id.to_owned()) });
    if let Err(error) = resource_scope::Entity::insert_many(rows).exec_without_returning(transaction).await {
        return match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(false),
            _ => Err(error.into()),
        };
    }
    if role::Entity::find_by_id(ADMIN).one(transaction).await?.is_some() {
        let rows =
            scope.iter().map(|token| role_scope::ActiveModel { role: Set(ADMIN.to_owned()), scope: Set(token.to_owned()) });
        role_scope::Entity::insert_many(rows)
            .on_conflict(OnConflict::columns([role_scope::Column::Role, role_scope::Column::Scope]).do_nothing().to_owned())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(true)
}

/// Removes scopes; the role `admin` loses them too.
async fn remove(transaction: &DatabaseTransaction, scope: &Scope) -> Result<(), StoreError> {
    resource_scope::Entity::delete_many().filter(resource_scope::Column::Scope.is_in(scope.iter())).exec(transaction).await?;
    Ok(())
}
