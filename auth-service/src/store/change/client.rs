//! Changes of a client.

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseTransaction, ExprTrait, IntoActiveModel, QuerySelect, SqlErr, entity::prelude::*,
};
use shared::scope::Scope;

use super::{Deed, Facts, Outcome, Own};
use crate::store::{
    Store, StoreError,
    client::{self, Column, Entity, Kind, MAX_SECRETS, Model, Secret, State, client_role, client_secret},
    role,
    session::{self, Ended, Which},
    status_list, user,
};

const VERSION: (Column, Column) = (Column::Id, Column::Version);

/// Creates a client with its own roles and its first secret.
pub(crate) async fn create(
    store: &Store,
    deed: Deed,
    client: Model,
    roles: &[String],
    secret: Option<Secret>,
) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    let id = client.id.clone();
    let given = role::scope_of(&transaction, roles).await?.union(&limit_of(&client)?);
    if let Err(outcome) = deed.judge(&transaction, Facts { given, ..Facts::default() }).await? {
        return Ok(outcome);
    }
    // A client could be taken for the person who goes by that name.
    let namesake = user::Entity::find().filter(user::Column::Canonical.eq(id.to_ascii_lowercase())).one(&transaction).await?;
    if namesake.is_some() {
        return Ok(Outcome::Taken);
    }
    if let Err(error) = Entity::insert(client.into_active_model()).exec_without_returning(&transaction).await {
        return match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(Outcome::Taken),
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Ok(Outcome::Unknown("default_resource")),
            _ => Err(error.into()),
        };
    }
    if !give(&transaction, &id, roles).await? {
        return Ok(Outcome::Unknown("roles"));
    }
    if let Some(secret) = secret {
        client_secret::Entity::insert(secret.into_active_model()).exec_without_returning(&transaction).await?;
    }
    deed.done(store, transaction).await
}

/// Gives a client other limits, roles and another state; its kind, secrets and age stay. What it loses, it loses at the next
/// token; disabling ends everything.
pub(crate) async fn replace(store: &Store, deed: Deed, client: Model, roles: &[String]) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    let id = client.id.clone();
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, &id).await? {
        return Ok(outcome);
    }
    let Some(before) = Entity::find_by_id(&id).one(&transaction).await? else { return Ok(Outcome::NoMatch) };
    let given = role::scope_of(&transaction, roles).await?.union(&limit_of(&client)?);
    let facts = Facts { given, ..about(&transaction, &deed, &before).await? };
    if let Err(outcome) = deed.judge(&transaction, facts).await? {
        return Ok(outcome);
    }
    let state = client.state;
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Grants, Expr::value(client.grants))
        .col_expr(Column::Scopes, Expr::value(client.scopes))
        .col_expr(Column::DefaultResource, Expr::value(client.default_resource))
        .col_expr(Column::Serves, Expr::value(client.serves))
        .col_expr(Column::CorsOrigins, Expr::value(client.cors_origins))
        .col_expr(Column::AccessTokenLifetime, Expr::value(client.access_token_lifetime))
        .col_expr(Column::RefreshIdleLifetime, Expr::value(client.refresh_idle_lifetime))
        .col_expr(Column::RefreshAbsoluteLifetime, Expr::value(client.refresh_absolute_lifetime))
        .col_expr(Column::UpdatedAt, Expr::value(deed.now))
        .filter(Column::Id.eq(&id));
    if before.state != state {
        update = update.col_expr(Column::Generation, Expr::col(Column::Generation).add(1));
    }
    if let Err(error) = update.exec(&transaction).await {
        return match error.sql_err() {
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Ok(Outcome::Unknown("default_resource")),
            _ => Err(error.into()),
        };
    }
    client_role::Entity::delete_many().filter(client_role::Column::ClientId.eq(&id)).exec(&transaction).await?;
    if !give(&transaction, &id, roles).await? {
        return Ok(Outcome::Unknown("roles"));
    }
    if state == State::Disabled {
        end_everything(&transaction, &id, deed.now).await?;
    }
    deed.done(store, transaction).await
}

/// Enables or disables a client. Disabling ends its sessions and revokes everything it was issued.
pub(crate) async fn set_state(store: &Store, deed: Deed, id: &str, state: State) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    let Some(before) = Entity::find_by_id(id).one(&transaction).await? else { return Ok(Outcome::NoMatch) };
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, &before).await?).await? {
        return Ok(outcome);
    }
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::UpdatedAt, Expr::value(deed.now))
        .filter(Column::Id.eq(id));
    if before.state != state {
        // What is under way for a client that was enabled and still is goes on.
        update = update.col_expr(Column::Generation, Expr::col(Column::Generation).add(1));
    }
    update.exec(&transaction).await?;
    match state {
        State::Active => {}
        State::Disabled => end_everything(&transaction, id, deed.now).await?,
    }
    deed.done(store, transaction).await
}

/// Deletes a client. What it was issued is revoked first: its blocks in the status lists outlive it.
pub(crate) async fn delete(store: &Store, deed: Deed, id: &str) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    let Some(before) = Entity::find_by_id(id).one(&transaction).await? else { return Ok(Outcome::NoMatch) };
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, &before).await?).await? {
        return Ok(outcome);
    }
    end_everything(&transaction, id, deed.now).await?;
    Entity::delete_by_id(id).exec(&transaction).await?;
    deed.done(store, transaction).await
}

/// Adds a secret beside the one in use, and gives the others an end, so that a client can change over without a pause.
pub(crate) async fn add_secret(store: &Store, deed: Deed, secret: Secret, others_end_at: i64) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    let client_id = secret.client_id.clone();
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, &client_id).await? {
        return Ok(outcome);
    }
    let held = Entity::find_by_id(&client_id).filter(Column::Kind.eq(Kind::Confidential)).one(&transaction).await?;
    let Some(client) = held else { return Ok(Outcome::NoMatch) };
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, &client).await?).await? {
        return Ok(outcome);
    }
    let of_client = client_secret::Column::ClientId.eq(&client_id);
    // Without an overlap every other secret ends here and now: one of them may be in the wrong hands.
    let ended = client_secret::Column::ExpiresAt.lte(deed.now);
    let outdated = if others_end_at <= deed.now { of_client.clone() } else { of_client.clone().and(ended) };
    client_secret::Entity::delete_many().filter(outdated).exec(&transaction).await?;
    if client_secret::Entity::find().filter(of_client.clone()).count(&transaction).await? >= MAX_SECRETS {
        return Ok(Outcome::Full);
    }
    client_secret::Entity::update_many()
        .col_expr(client_secret::Column::ExpiresAt, Expr::value(others_end_at))
        .filter(of_client)
        .filter(client_secret::Column::ExpiresAt.is_null())
        .exec(&transaction)
        .await?;
    client_secret::Entity::insert(secret.into_active_model()).exec_without_returning(&transaction).await?;
    touch(&transaction, &client_id, deed.now).await?;
    deed.done(store, transaction).await
}

/// Takes a secret away from a client.
pub(crate) async fn remove_secret(store: &Store, deed: Deed, client_id: &str, secret_id: &str) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, client_id).await? {
        return Ok(outcome);
    }
    let Some(client) = Entity::find_by_id(client_id).one(&transaction).await? else { return Ok(Outcome::NoMatch) };
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, &client).await?).await? {
        return Ok(outcome);
    }
    let removed = client_secret::Entity::delete_many()
        .filter(client_secret::Column::Id.eq(secret_id))
        .filter(client_secret::Column::ClientId.eq(client_id))
        .exec(&transaction)
        .await?;
    if removed.rows_affected == 0 {
        return Ok(Outcome::NoMatch);
    }
    touch(&transaction, client_id, deed.now).await?;
    deed.done(store, transaction).await
}

async fn touch(transaction: &DatabaseTransaction, id: &str, now: i64) -> Result<(), StoreError> {
    Entity::update_many().col_expr(Column::UpdatedAt, Expr::value(now)).filter(Column::Id.eq(id)).exec(transaction).await?;
    Ok(())
}

/// Ends what a client was issued, within the transaction of the change that ends it.
pub(in crate::store) async fn end_everything(transaction: &DatabaseTransaction, id: &str, now: i64) -> Result<(), StoreError> {
    session::end_within(transaction, Which::OfClient(id), Ended::ClientDisabled, now).await?;
    status_list::revoke_client(transaction, id, now).await
}

/// Gives a client these roles; false if one of them does not exist.
async fn give(transaction: &DatabaseTransaction, id: &str, roles: &[String]) -> Result<bool, StoreError> {
    for role in roles {
        let row = client_role::ActiveModel { client_id: Set(id.to_owned()), role: Set(role.clone()) };
        if let Err(error) = client_role::Entity::insert(row).exec_without_returning(transaction).await {
            return match error.sql_err() {
                Some(SqlErr::ForeignKeyConstraintViolation(_)) => Ok(false),
                _ => Err(error.into()),
            };
        }
    }
    Ok(true)
}

/// The facts of a change of this client: what it holds itself, and what people can reach through it.
async fn about(transaction: &DatabaseTransaction, deed: &Deed, client: &Model) -> Result<Facts, StoreError> {
    let target = rights_of(transaction, &client.id).await?;
    let own = deed.own(&client.id, Own::Rights);
    Ok(Facts { own, target, reach: limit_of(client)?, ..Facts::default() })
}

async fn rights_of(connection: &impl ConnectionTrait, id: &str) -> Result<Scope, StoreError> {
    let roles: Vec<String> = client_role::Entity::find()
        .select_only()
        .column(client_role::Column::Role)
        .filter(client_role::Column::ClientId.eq(id))
        .into_tuple()
        .all(connection)
        .await?;
    role::scope_of(connection, &roles).await
}

/// What a client holds that may act: one that is disabled holds nothing.
pub(super) async fn rights_of_active(connection: &impl ConnectionTrait, id: &str) -> Result<Scope, StoreError> {
    let active = Entity::find_by_id(id).filter(Column::State.eq(client::State::Active)).one(connection).await?;
    match active {
        Some(client) => rights_of(connection, &client.id).await,
        None => Ok(Scope::default()),
    }
}

fn limit_of(client: &Model) -> Result<Scope, StoreError> {
    Ok(client.scopes.parse().map_err(|error| DbErr::Custom(format!("client `{}`: {error}", client.id)))?)
}
