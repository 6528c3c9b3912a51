//! `api_key`, `api_key_token`: a person's long-lived credentials, and the access tokens they were exchanged for.
//!
//! Whoever issues a token for a key, or ends one, takes the key's row first. So an exchange and a revocation that come at
//! once happen one after the other: either the token's place is there to be revoked, or there is no token.

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseTransaction, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect,
    entity::prelude::*,
};

use super::{
    AuditEvent, Store, StoreError, audit_event,
    batch::{Batch, forget_earliest},
    status_list::{self, Place},
    user,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub(crate) struct Model {
    /// The part of the key that may be known.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    /// The owner.
    pub(crate) user_id: String,
    /// What the owner calls it.
    pub(crate) name: String,
    /// What it allows, separated by spaces; never more than the owner's roles hold at the moment of use.
    pub(crate) scopes: String,
    /// The networks it is good from, separated by spaces; empty: any.
    pub(crate) sources: String,
    /// SHA-256 of the whole key, base64url.
    pub(crate) digest: String,
    /// The last four characters of the key.
    pub(crate) last_four: String,
    /// After a rotation, the digest of the key before.
    pub(crate) previous_digest: Option<String>,
    /// Until when that one is good.
    pub(crate) previous_until: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    /// Coarse: written once an hour at most.
    pub(crate) last_used_at: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod api_key_token {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_key_token")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) list_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) place: i32,
        pub(crate) key_id: String,
        pub(crate) expires_at: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What came of changing a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Done,
    /// There is no such key, or it has ended.
    NoMatch,
    /// The owner has as many keys as one may have.
    Full,
    /// The key before the last rotation is still good.
    Rotating,
}

/// The secret that takes the place of another.
pub(crate) struct Successor<'a> {
    pub(crate) digest: String,
    pub(crate) last_four: &'a str,
    /// Until when the one before it is good; in the past: it ends now.
    pub(crate) previous_until: i64,
}

/// Which keys are meant: one of anybody, or one of this owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Which<'a> {
    pub(crate) id: &'a str,
    pub(crate) owner: Option<&'a str>,
}

impl Model {
    /// Whether it is good at this time.
    pub(crate) fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// The key of that identifier.
#[tracing::instrument(target = "trace", name = "db api_key.by_id", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(store.database.reader()).await?)
}

/// One page of keys, of one owner or of everybody, the newest first, and beginning behind `after`.
pub(crate) async fn page(store: &Store, owner: Option<&str>, after: Option<&str>, limit: u64) -> Result<Vec<Model>, StoreError> {
    let mut keys = Entity::find().order_by_desc(Column::Id).limit(limit);
    if let Some(owner) = owner {
        keys = keys.filter(Column::UserId.eq(owner));
    }
    if let Some(after) = after {
        keys = keys.filter(Column::Id.lt(after));
    }
    Ok(keys.all(store.database.reader()).await?)
}

/// Adds a key, unless its owner has `most` that are alive, and records it.
pub(crate) async fn create(store: &Store, key: Model, most: u64, event: AuditEvent) -> Result<Changed, StoreError> {
    let transaction = store.database.begin().await?;
    let living = Entity::find()
        .filter(Column::UserId.eq(&key.user_id))
        .filter(Column::RevokedAt.is_null())
        .filter(Column::ExpiresAt.gt(key.created_at))
        .count(&transaction)
        .await?;
    if living >= most {
        return Ok(Changed::Full);
    }
    Entity::insert(key.into_active_model()).exec_without_returning(&transaction).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(Changed::Done)
}

/// Revokes a key with its living access tokens, and records it. A key that was revoked before stays as it is.
pub(crate) async fn revoke(store: &Store, which: Which<'_>, now: i64, event: AuditEvent) -> Result<Changed, StoreError> {
    let transaction = store.database.begin().await?;
    let Some(key) = take(&transaction, which).await? else { return Ok(Changed::NoMatch) };
    if key.revoked_at.is_some() {
        return Ok(Changed::Done);
    }
    Entity::update_many().col_expr(Column::RevokedAt, Expr::value(now)).filter(Column::Id.eq(&key.id)).exec(&transaction).await?;
    end_tokens(&transaction, &[key.id], now, now).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(Changed::Done)
}

/// Gives a key another secret and lets the one before it end, and records it.
///
/// Access tokens that would outlive the old secret end now: whoever still holds the key gets others.
pub(crate) async fn rotate(
    store: &Store,
    which: Which<'_>,
    successor: Successor<'_>,
    now: i64,
    event: AuditEvent,
) -> Result<Changed, StoreError> {
    let transaction = store.database.begin().await?;
    let Some(key) = take(&transaction, which).await?.filter(|key| key.is_live(now)) else { return Ok(Changed::NoMatch) };
    let overlaps = successor.previous_until > now;
    if overlaps && key.previous_until.is_some_and(|end| now < end) {
        return Ok(Changed::Rotating);
    }
    Entity::update_many()
        .col_expr(Column::Digest, Expr::value(successor.digest))
        .col_expr(Column::LastFour, Expr::value(successor.last_four))
        .col_expr(Column::PreviousDigest, Expr::value(overlaps.then_some(key.digest)))
        .col_expr(Column::PreviousUntil, Expr::value(overlaps.then_some(successor.previous_until)))
        .filter(Column::Id.eq(&key.id))
        .exec(&transaction)
        .await?;
    end_tokens(&transaction, &[key.id], Ord::max(successor.previous_until, now), now).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(Changed::Done)
}

/// Notes that a key was exchanged for the access token at this place, and records it; false if the key or its owner have
/// changed since they were looked at.
#[tracing::instrument(target = "trace", name = "db api_key.exchanged", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn exchanged(
    store: &Store,
    seen: &Model,
    roles: &[String],
    token: (Place, i64),
    used_at: Option<i64>,
    event: AuditEvent,
) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let key = take(&transaction, Which { id: &seen.id, owner: Some(&seen.user_id) }).await?;
    let is_same = key.is_some_and(|key| {
        (&key.digest, &key.previous_digest, key.revoked_at) == (&seen.digest, &seen.previous_digest, seen.revoked_at)
    });
    if !is_same || !user::still_holds(&transaction, &seen.user_id, roles).await? {
        return Ok(false);
    }
    let (place, expires_at) = token;
    let row = api_key_token::ActiveModel {
        list_id: Set(place.list_id),
        place: Set(place.place),
        key_id: Set(seen.id.clone()),
        expires_at: Set(expires_at),
    };
    api_key_token::Entity::insert(row).exec_without_returning(&transaction).await?;
    if let Some(used_at) = used_at {
        Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(used_at))
            .filter(Column::Id.eq(&seen.id))
            .exec(&transaction)
            .await?;
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Ends the living access tokens of all keys of a user, within the transaction of the change that ends them: another state,
/// other roles, or that the user goes altogether. A key that is still good gets another token at its next use.
pub(super) async fn end_tokens_of_user(transaction: &DatabaseTransaction, user_id: &str, now: i64) -> Result<(), StoreError> {
    let keys = Entity::find().filter(Column::UserId.eq(user_id)).order_by_asc(Column::Id).lock_exclusive();
    let ids: Vec<String> = keys.all(transaction).await?.into_iter().map(|key| key.id).collect();
    end_tokens(transaction, &ids, now, now).await
}

/// The same of everybody who holds a role.
pub(super) async fn end_tokens_of_holders(transaction: &DatabaseTransaction, role: &str, now: i64) -> Result<(), StoreError> {
    let theirs = Entity::find().filter(Column::UserId.in_subquery(user::holders(role)));
    let keys = theirs.order_by_asc(Column::Id).lock_exclusive().all(transaction).await?;
    let ids: Vec<String> = keys.into_iter().map(|key| key.id).collect();
    end_tokens(transaction, &ids, now, now).await
}

/// Forgets a batch of keys that ended before `before`, and of the places of tokens that ended before `now`; says whether
/// there may be more.
pub(crate) async fn purge(store: &Store, before: i64, now: i64, batch: u64) -> Result<bool, StoreError> {
    let more_tokens = forget_earliest::<api_key_token::Entity>(store, api_key_token::Column::ExpiresAt, now + 1, batch).await?;
    let ended = Column::ExpiresAt.lt(before).or(Column::RevokedAt.lt(before));
    let more_keys = Batch::<Entity>::choose(store, Column::Id, ended, batch).await?.forget(store).await?;
    Ok(more_tokens || more_keys)
}

/// Takes a key's row until the end of the transaction.
async fn take(transaction: &DatabaseTransaction, which: Which<'_>) -> Result<Option<Model>, StoreError> {
    let mut found = Entity::find_by_id(which.id).lock_exclusive();
    if let Some(owner) = which.owner {
        found = found.filter(Column::UserId.eq(owner));
    }
    Ok(found.one(transaction).await?)
}

/// Ends the access tokens of these keys that live beyond `until`.
async fn end_tokens(connection: &impl ConnectionTrait, keys: &[String], until: i64, now: i64) -> Result<(), StoreError> {
    let of_keys = api_key_token::Column::KeyId.is_in(keys).and(api_key_token::Column::ExpiresAt.gt(until));
    let tokens = api_key_token::Entity::find().filter(of_keys.clone()).all(connection).await?;
    let places: Vec<Place> = tokens.into_iter().map(|token| Place { list_id: token.list_id, place: token.place }).collect();
    status_list::revoke(connection, &places, now).await?;
    api_key_token::Entity::delete_many().filter(of_keys).exec(connection).await?;
    Ok(())
}
