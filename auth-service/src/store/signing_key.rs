//! `signing_key`: the keys that sign tokens, past, present and announced.

use sea_orm::{DatabaseTransaction, IntoActiveModel, QueryOrder, SqlErr, entity::prelude::*};

use super::{AuditEvent, Store, StoreError, audit_event};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_key")]
pub(crate) struct Model {
    /// The key ID: the RFC 7638 thumbprint.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    /// Orders the keys without a clock, and lets one replica make each.
    pub(crate) slot: i32,
    pub(crate) algorithm: String,
    /// The public half as it is published.
    pub(crate) public_jwk: String,
    /// The private half, sealed; gone once the key has stopped signing.
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) announced_at: i64,
    pub(crate) sign_from: i64,
    pub(crate) sign_until: Option<i64>,
    pub(crate) verify_until: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Every key that is kept, oldest first.
pub(crate) async fn all(store: &Store) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().order_by_asc(Column::Slot).all(store.database.reader()).await?)
}

/// Keeps the first key of a database, and records it; false if another replica was quicker.
pub(crate) async fn insert_first(store: &Store, key: Model, event: AuditEvent) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    if !insert(&transaction, key).await? {
        return Ok(false);
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Puts a key after another, which stops signing when the new one begins, and records it; false if another replica was
/// quicker.
pub(crate) async fn succeed(
    store: &Store,
    predecessor: &str,
    verify_until: i64,
    key: Model,
    event: AuditEvent,
) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let followed = Entity::update_many()
        .col_expr(Column::SignUntil, Expr::value(key.sign_from))
        .col_expr(Column::VerifyUntil, Expr::value(verify_until))
        .filter(Column::Id.eq(predecessor))
        .filter(Column::SignUntil.is_null())
        .filter(Column::RevokedAt.is_null())
        .exec(&transaction)
        .await?;
    if followed.rows_affected == 0 || !insert(&transaction, key).await? {
        return Ok(false);
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Lets an announced key sign from now on, and its predecessor no more; false if it has begun meanwhile.
pub(crate) async fn promote(
    store: &Store,
    key: &Model,
    now: i64,
    verify_until: i64,
    event: AuditEvent,
) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    if !begin_now(&transaction, key, now, verify_until).await? {
        return Ok(false);
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// What signs in place of a revoked key.
pub(crate) enum Replacement {
    /// The revoked key had stopped signing.
    None,
    /// The key that was announced to follow.
    Announced(Model),
    /// A key made for the purpose.
    Made(Model),
}

/// Revokes a key and destroys its private half; what replaces it signs at once. False: no such key, or revoked before.
pub(crate) async fn revoke(
    store: &Store,
    id: &str,
    replacement: Replacement,
    now: i64,
    event: AuditEvent,
) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let revoked = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now))
        .col_expr(Column::Sealed, Expr::value(Option::<Vec<u8>>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec(&transaction)
        .await?;
    if revoked.rows_affected == 0 {
        return Ok(false);
    }
    let replaced = match replacement {
        Replacement::None => true,
        Replacement::Announced(key) => begin_now(&transaction, &key, now, now).await?,
        Replacement::Made(key) => insert(&transaction, key).await?,
    };
    if !replaced {
        return Ok(false);
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Puts a private half that was sealed anew in place of the old bytes, unless somebody else did.
pub(crate) async fn reseal(store: &Store, id: &str, old: &[u8], new: Vec<u8>) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(Some(new)))
        .filter(Column::Id.eq(id))
        .filter(Column::Sealed.eq(old.to_vec()))
        .exec(store.database.writer())
        .await?;
    Ok(())
}

/// Destroys the private halves of keys that stopped signing before `before`.
pub(crate) async fn destroy_private_halves(store: &Store, before: i64) -> Result<u64, StoreError> {
    let destroyed = Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(Option::<Vec<u8>>::None))
        .filter(Column::SignUntil.lt(before))
        .filter(Column::Sealed.is_not_null())
        .exec(store.database.writer())
        .await?;
    Ok(destroyed.rows_affected)
}

async fn begin_now(transaction: &DatabaseTransaction, key: &Model, now: i64, verify_until: i64) -> Result<bool, StoreError> {
    let begun = Entity::update_many()
        .col_expr(Column::SignFrom, Expr::value(now))
        .filter(Column::Id.eq(&key.id))
        .filter(Column::SignFrom.gt(now))
        .exec(transaction)
        .await?;
    Entity::update_many()
        .col_expr(Column::SignUntil, Expr::value(now))
        .col_expr(Column::VerifyUntil, Expr::value(verify_until))
        .filter(Column::Slot.eq(key.slot - 1))
        .exec(transaction)
        .await?;
    Ok(begun.rows_affected == 1)
}

/// Inserts a key; false if its slot is taken.
async fn insert(transaction: &DatabaseTransaction, key: Model) -> Result<bool, StoreError> {
    match Entity::insert(key.into_active_model()).exec_without_returning(transaction).await {
        Ok(_) => Ok(true),
        Err(error) => match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(false),
            _ => Err(error.into()),
        },
    }
}
