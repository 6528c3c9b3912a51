//! `user`: a person, and the roles they hold.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DatabaseTransaction, ExprTrait, IntoActiveModel, PaginatorTrait, QueryOrder, QuerySelect, SqlErr,
    entity::prelude::*,
    sea_query::{Func, LikeExpr, Query, SelectStatement},
};
use serde::Deserialize;

use super::{AuditEvent, Store, StoreError, audit_event, client, session};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    /// As it was typed.
    pub(crate) username: String,
    /// As it is compared.
    pub(crate) canonical: String,
    /// A PHC string.
    pub(crate) password_hash: PasswordHash,
    pub(crate) state: State,
    pub(crate) must_change_password: bool,
    /// Grows with every change that ends what was issued before: a new password, disabling.
    pub(crate) generation: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// Grows with every change that others can see.
    pub(crate) version: i64,
    /// The name to show.
    pub(crate) display_name: Option<String>,
}

/// A hash that stays out of logs.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub(crate) struct PasswordHash(pub(crate) String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("PasswordHash")
    }
}

/// Whether a person may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    #[sea_orm(string_value = "active")]
    Active,
    #[sea_orm(string_value = "disabled")]
    Disabled,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod user_role {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_role")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) role: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What came of storing a user or their roles.
#[derive(Debug)]
pub(crate) enum Stored {
    Done,
    /// Somebody has that username.
    UsernameTaken,
    /// There is no such role.
    UnknownRole,
}

/// The user of that canonical name.
#[tracing::instrument(target = "trace", name = "db user.by_canonical", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn by_canonical(store: &Store, canonical: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Canonical.eq(canonical)).one(store.database.reader()).await?)
}

/// The user of that identifier.
#[tracing::instrument(target = "trace", name = "db user.by_id", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(store.database.reader()).await?)
}

/// What a list of users is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter<'a> {
    /// A part of the canonical name.
    pub(crate) part: Option<&'a str>,
    pub(crate) role: Option<&'a str>,
    pub(crate) state: Option<State>,
}

/// The newest users that fit, no more than `limit`, continuing behind the user `after`; each with their roles, sorted.
pub(crate) async fn page(
    store: &Store,
    filter: Filter<'_>,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<(Model, Vec<String>)>, StoreError> {
    let reader = store.database.reader();
    let mut query = Entity::find();
    if let Some(part) = filter.part {
        query = query.filter(Column::Canonical.like(containing(part)));
    }
    if let Some(role) = filter.role {
        query = query.filter(Column::Id.in_subquery(holders(role)));
    }
    if let Some(state) = filter.state {
        query = query.filter(Column::State.eq(state));
    }
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after));
    }
    let users = query.order_by_desc(Column::Id).limit(limit).all(reader).await?;
    let held = user_role::Entity::find()
        .filter(user_role::Column::UserId.is_in(users.iter().map(|user| user.id.as_str())))
        .order_by_asc(user_role::Column::Role)
        .all(reader)
        .await?;
    let mut roles: HashMap<String, Vec<String>> = HashMap::new();
    for row in held {
        roles.entry(row.user_id).or_default().push(row.role);
    }
    Ok(users
        .into_iter()
        .map(|user| (roles.remove(&user.id).unwrap_or_default(), user))
        .map(|(roles, user)| (user, roles))
        .collect())
}

/// The pattern of what contains a text, whatever the text is made of.
fn containing(text: &str) -> LikeExpr {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    LikeExpr::new(format!("%{escaped}%")).escape('\\')
}

/// The users who hold a role.
pub(super) fn holders(role: &str) -> SelectStatement {
    Query::select().column(user_role::Column::UserId).from(user_role::Entity).and_where(user_role::Column::Role.eq(role)).take()
}

/// The names of the roles a user holds, sorted.
#[tracing::instrument(target = "trace", name = "db user.roles", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn roles(store: &Store, id: &str) -> Result<Vec<String>, StoreError> {
    roles_within(store.database.reader(), id).await
}

/// The same within the transaction of a change.
pub(super) async fn roles_within(connection: &impl ConnectionTrait, id: &str) -> Result<Vec<String>, StoreError> {
    Ok(user_role::Entity::find()
        .select_only()
        .column(user_role::Column::Role)
        .filter(user_role::Column::UserId.eq(id))
        .order_by_asc(user_role::Column::Role)
        .into_tuple()
        .all(connection)
        .await?)
}

/// Whether anybody holds this role.
pub(crate) async fn any_with_role(store: &Store, role: &str) -> Result<bool, StoreError> {
    let holder = user_role::Entity::find().filter(user_role::Column::Role.eq(role)).one(store.database.reader()).await?;
    Ok(holder.is_some())
}

/// Creates a user with these roles, and records it.
pub(crate) async fn create(store: &Store, user: Model, roles: &[String], event: AuditEvent) -> Result<Stored, StoreError> {
    let transaction = store.database.begin().await?;
    let stored = insert(&transaction, user, roles).await?;
    if matches!(stored, Stored::Done) {
        audit_event::insert(&transaction, event).await?;
        transaction.commit().await?;
    }
    Ok(stored)
}

/// Creates a user within the transaction of what makes them one.
pub(super) async fn insert(transaction: &DatabaseTransaction, user: Model, roles: &[String]) -> Result<Stored, StoreError> {
    if is_client(transaction, &user.canonical).await? {
        return Ok(Stored::UsernameTaken);
    }
    let id = user.id.clone();
    let inserted = Entity::insert(user.into_active_model()).exec_without_returning(transaction).await;
    if let Err(error) = inserted {
        return match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(Stored::UsernameTaken),
            _ => Err(error.into()),
        };
    }
    give(transaction, &id, roles).await
}

/// Whether a client goes by this name, whatever its case: nobody should be taken for a client.
async fn is_client(connection: &impl ConnectionTrait, canonical: &str) -> Result<bool, StoreError> {
    let name = Expr::expr(Func::lower(Expr::col(client::Column::Id)));
    Ok(client::Entity::find().filter(name.eq(canonical)).one(connection).await?.is_some())
}

/// Gives a user these roles within the transaction of a change.
pub(super) async fn give(transaction: &DatabaseTransaction, id: &str, roles: &[String]) -> Result<Stored, StoreError> {
    for role in roles {
        let row = user_role::ActiveModel { user_id: Set(id.to_owned()), role: Set(role.clone()) };
        if let Err(error) = user_role::Entity::insert(row).exec_without_returning(transaction).await {
            return match error.sql_err() {
                Some(SqlErr::ForeignKeyConstraintViolation(_)) => Ok(Stored::UnknownRole),
                _ => Err(error.into()),
            };
        }
    }
    Ok(Stored::Done)
}

/// Gives a user another password, ending what was issued under the old one, and records it. False: no such user.
pub(crate) async fn set_password(
    store: &Store,
    id: &str,
    password_hash: String,
    must_change: bool,
    now: i64,
    event: AuditEvent,
) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let changed = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(password_hash))
        .col_expr(Column::MustChangePassword, Expr::value(must_change))
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(&transaction)
        .await?;
    if changed.rows_affected == 0 {
        return Ok(false);
    }
    session::end_within(&transaction, session::Which::OfUser(id), session::Ended::PasswordChanged, now).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// What came of a person's changing their own password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordChanged {
    Done,
    /// The account was changed or disabled since they proved who they are.
    Outrun,
}

/// Gives a user the password they have chosen, ending every session but `kept`, and records it. It is the user of that
/// generation or nobody: of two changes that come at once, one is made.
pub(crate) async fn change_password(
    store: &Store,
    user: &Model,
    password_hash: String,
    kept: Option<&str>,
    now: i64,
    event: AuditEvent,
) -> Result<PasswordChanged, StoreError> {
    let transaction = store.database.begin().await?;
    let changed = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(password_hash))
        .col_expr(Column::MustChangePassword, Expr::value(false))
        .col_expr(Column::Generation, Expr::value(user.generation + 1))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(&user.id))
        .filter(Column::Generation.eq(user.generation))
        .filter(Column::State.eq(State::Active))
        .exec(&transaction)
        .await?;
    if changed.rows_affected == 0 {
        return Ok(PasswordChanged::Outrun);
    }
    let others = session::Which::OfUserExcept(&user.id, kept.unwrap_or_default());
    session::end_within(&transaction, others, session::Ended::PasswordChanged, now).await?;
    if let Some(kept) = kept {
        session::carry_over(&transaction, kept, user.generation + 1).await?;
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(PasswordChanged::Done)
}

/// How many users have a password hash with `mark` in it and none of `known`.
pub(crate) async fn count_marked(store: &Store, mark: &str, known: &[String]) -> Result<u64, StoreError> {
    let marked = Entity::find().filter(Column::PasswordHash.contains(mark));
    let unknown = known.iter().fold(marked, |query, known| query.filter(Column::PasswordHash.not_like(format!("%{known}%"))));
    Ok(unknown.count(store.database.reader()).await?)
}

/// Whether a user is active and holds exactly these roles, sorted, as a transaction sees it.
pub(super) async fn still_holds(transaction: &DatabaseTransaction, id: &str, roles: &[String]) -> Result<bool, StoreError> {
    let user = Entity::find_by_id(id).filter(Column::State.eq(State::Active)).one(transaction).await?;
    let held = roles_within(transaction, id).await?;
    Ok(user.is_some() && held == roles)
}

/// Stores the same password under newer hashing parameters, unless it was changed meanwhile.
pub(crate) async fn rehash(store: &Store, id: &str, old: &str, new: String) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(new))
        .filter(Column::Id.eq(id))
        .filter(Column::PasswordHash.eq(old))
        .exec(store.database.writer())
        .await?;
    Ok(())
}
