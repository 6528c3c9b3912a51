//! `user`: a person, and the roles they hold.

use sea_orm::{
    ActiveValue::Set, DatabaseTransaction, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect, SqlErr, entity::prelude::*,
};

use super::{AuditEvent, Store, StoreError, audit_event, session};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
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
pub(crate) async fn by_canonical(store: &Store, canonical: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find().filter(Column::Canonical.eq(canonical)).one(store.database.reader()).await?)
}

/// The user of that identifier.
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(store.database.reader()).await?)
}

/// The names of the roles a user holds, sorted.
pub(crate) async fn roles(store: &Store, id: &str) -> Result<Vec<String>, StoreError> {
    Ok(user_role::Entity::find()
        .select_only()
        .column(user_role::Column::Role)
        .filter(user_role::Column::UserId.eq(id))
        .order_by_asc(user_role::Column::Role)
        .into_tuple()
        .all(store.database.reader())
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

async fn insert(transaction: &DatabaseTransaction, user: Model, roles: &[String]) -> Result<Stored, StoreError> {
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

/// Gives a user exactly these roles, and records it.
pub(crate) async fn set_roles(store: &Store, id: &str, roles: &[String], event: AuditEvent) -> Result<Stored, StoreError> {
    let transaction = store.database.begin().await?;
    user_role::Entity::delete_many().filter(user_role::Column::UserId.eq(id)).exec(&transaction).await?;
    let given = give(&transaction, id, roles).await?;
    if matches!(given, Stored::Done) {
        audit_event::insert(&transaction, event).await?;
        transaction.commit().await?;
    }
    Ok(given)
}

async fn give(transaction: &DatabaseTransaction, id: &str, roles: &[String]) -> Result<Stored, StoreError> {
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

/// Enables or disables a user, and records it; disabling ends what was issued before. False: no such user.
pub(crate) async fn set_state(store: &Store, id: &str, state: State, now: i64, event: AuditEvent) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(&transaction)
        .await?;
    if changed.rows_affected == 0 {
        return Ok(false);
    }
    match state {
        State::Active => {}
        State::Disabled => {
            session::end_within(&transaction, session::Which::OfUser(id), session::Ended::UserDisabled, now).await?;
        }
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
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
