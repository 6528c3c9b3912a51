//! Changes of a role.

use sea_orm::{ActiveValue::Set, DatabaseTransaction, ExprTrait, SqlErr, entity::prelude::*, sea_query::Query};
use shared::scope::Scope;

use super::{Deed, Facts, Outcome, Own, Who, user::Reach};
use crate::store::{
    Store, StoreError,
    client::{self, client_role},
    role::{ADMIN, ActiveModel, Column, Entity, role_scope, scope_of},
    session::{self, Ended, Which},
    status_list,
    user::{self, user_role},
};

const VERSION: (Column, Column) = (Column::Name, Column::Version);

/// Creates a role with these scopes.
pub(crate) async fn create(store: &Store, deed: Deed, name: &str, scope: &Scope) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.judge(&transaction, Facts { given: scope.clone(), ..Facts::default() }).await? {
        return Ok(outcome);
    }
    let row = ActiveModel { name: Set(name.to_owned()), created_at: Set(deed.now), version: Set(1) };
    if let Err(error) = Entity::insert(row).exec_without_returning(&transaction).await {
        return match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(Outcome::Taken),
            _ => Err(error.into()),
        };
    }
    if !give(&transaction, name, scope).await? {
        return Ok(Outcome::Unknown("scopes"));
    }
    deed.done(store, transaction).await
}

/// Gives a role exactly these scopes. `keeps_admin` says whether they are enough for the role `admin`.
pub(crate) async fn replace(
    store: &Store,
    deed: Deed,
    name: &str,
    scope: &Scope,
    keeps_admin: bool,
    reach: Reach,
) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, name).await? {
        return Ok(outcome);
    }
    let before = scope_of(&transaction, &[name.to_owned()]).await?;
    let facts = about(&transaction, &deed, name, before, scope, name == ADMIN && !keeps_admin).await?;
    if let Err(outcome) = deed.judge(&transaction, facts).await? {
        return Ok(outcome);
    }
    if reach == Reach::Now {
        end_holders(&transaction, name, deed.now).await?;
    }
    role_scope::Entity::delete_many().filter(role_scope::Column::Role.eq(name)).exec(&transaction).await?;
    if !give(&transaction, name, scope).await? {
        return Ok(Outcome::Unknown("scopes"));
    }
    deed.done(store, transaction).await
}

/// Deletes a role: its holders hold it no more.
pub(crate) async fn delete(store: &Store, deed: Deed, name: &str, reach: Reach) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, name).await? {
        return Ok(outcome);
    }
    let before = scope_of(&transaction, &[name.to_owned()]).await?;
    let facts = about(&transaction, &deed, name, before, &Scope::default(), name == ADMIN).await?;
    if let Err(outcome) = deed.judge(&transaction, facts).await? {
        return Ok(outcome);
    }
    if reach == Reach::Now {
        end_holders(&transaction, name, deed.now).await?;
    }
    Entity::delete_by_id(name).exec(&transaction).await?;
    deed.done(store, transaction).await
}

async fn about(
    transaction: &DatabaseTransaction,
    deed: &Deed,
    name: &str,
    before: Scope,
    after: &Scope,
    strips_last_admin: bool,
) -> Result<Facts, StoreError> {
    let holds = match &deed.who {
        Who::Operator => false,
        Who::User(id) => user_role::Entity::find_by_id((id.clone(), name.to_owned())).one(transaction).await?.is_some(),
        Who::Client(id) => client_role::Entity::find_by_id((id.clone(), name.to_owned())).one(transaction).await?.is_some(),
    };
    let own = if holds { Own::Rights } else { Own::No };
    Ok(Facts { own, given: before.union(after), target: before, strips_last_admin, ..Facts::default() })
}

/// Gives a role these scopes; false if one of them does not exist.
async fn give(transaction: &DatabaseTransaction, name: &str, scope: &Scope) -> Result<bool, StoreError> {
    if scope.is_empty() {
        return Ok(true);
    }
    let rows = scope.iter().map(|token| role_scope::ActiveModel { role: Set(name.to_owned()), scope: Set(token.to_owned()) });
    match role_scope::Entity::insert_many(rows).exec_without_returning(transaction).await {
        Ok(_) => Ok(true),
        Err(error) => match error.sql_err() {
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Ok(false),
            _ => Err(error.into()),
        },
    }
}

/// Ends what those were issued who hold a role, people and clients.
async fn end_holders(transaction: &DatabaseTransaction, name: &str, now: i64) -> Result<(), StoreError> {
    user::Entity::update_many()
        .col_expr(user::Column::Generation, Expr::col(user::Column::Generation).add(1))
        .filter(user::Column::Id.in_subquery(user::holders(name)))
        .exec(transaction)
        .await?;
    session::end_within(transaction, Which::OfRole(name), Ended::RightsChanged, now).await?;
    let clients = Query::select()
        .column(client_role::Column::ClientId)
        .from(client_role::Entity)
        .and_where(client_role::Column::Role.eq(name))
        .take();
    client::Entity::update_many()
        .col_expr(client::Column::Generation, Expr::col(client::Column::Generation).add(1))
        .filter(client::Column::Id.in_subquery(clients))
        .exec(transaction)
        .await?;
    for held in client_role::Entity::find().filter(client_role::Column::Role.eq(name)).all(transaction).await? {
        status_list::revoke_client(transaction, &held.client_id, now).await?;
    }
    Ok(())
}
