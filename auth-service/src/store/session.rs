//! `session`: one login at one client, which is a family of refresh tokens (`refresh_token` beside it).
//!
//! Whoever changes a family takes the row of its session first. So a refresh, a logout and a change of password that come
//! at once happen one after the other, and what comes after an end finds the end.

use sea_orm::{DatabaseTransaction, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect, entity::prelude::*, sea_query::Query};

use super::{
    AuditEvent, Store, StoreError, api_key, audit_event,
    batch::Batch,
    client,
    refresh_token::{self, Model as Link},
    status_list, user,
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) client_id: String,
    /// The audience of the family's tokens.
    pub(crate) resource_id: String,
    /// What was granted at the login, separated by spaces.
    pub(crate) scope: String,
    pub(crate) device: Option<String>,
    pub(crate) ip: String,
    /// The user's generation at the login.
    pub(crate) generation: i64,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) ended_why: Option<Ended>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
pub(crate) enum Ended {
    /// Its client revoked it (RFC 7009).
    #[sea_orm(string_value = "revoked")]
    Revoked,
    /// A refresh token came that had been used before.
    #[sea_orm(string_value = "reused")]
    Reused,
    /// The person or an administrator ended it.
    #[sea_orm(string_value = "logged_out")]
    LoggedOut,
    /// The person has another password.
    #[sea_orm(string_value = "password_changed")]
    PasswordChanged,
    /// The account was disabled.
    #[sea_orm(string_value = "user_disabled")]
    UserDisabled,
    /// The client was disabled.
    #[sea_orm(string_value = "client_disabled")]
    ClientDisabled,
    /// The person's roles, or the scopes of one, were changed with effect at once.
    #[sea_orm(string_value = "rights_changed")]
    RightsChanged,
}

impl ActiveModelBehavior for ActiveModel {}

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// This one.
    One(&'a str),
    /// Every one of a user.
    OfUser(&'a str),
    /// Every one of a user but this.
    OfUserExcept(&'a str, &'a str),
    /// Every one of those who hold a role.
    OfRole(&'a str),
    /// Every one at a client.
    OfClient(&'a str),
}

/// Opens a session with its first link, and records the login; false if the user was changed or disabled since they
/// proved who they are, or the client since it did.
#[tracing::instrument(target = "trace", name = "db session.open", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn open(
    store: &Store,
    session: Model,
    client_generation: i64,
    first: Link,
    event: AuditEvent,
) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let holder = user::Entity::find_by_id(&session.user_id)
        .filter(user::Column::Generation.eq(session.generation))
        .filter(user::Column::State.eq(user::State::Active))
        .lock_shared()
        .one(&transaction)
        .await?;
    let at_client = client::Entity::find_by_id(&session.client_id)
        .filter(client::Column::Generation.eq(client_generation))
        .filter(client::Column::State.eq(client::State::Active))
        .lock_shared()
        .one(&transaction)
        .await?;
    if holder.is_none() || at_client.is_none() {
        return Ok(false);
    }
    Entity::insert(session.into_active_model()).exec_without_returning(&transaction).await?;
    refresh_token::insert(&transaction, first).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// The session of that identifier.
#[tracing::instrument(target = "trace", name = "db session.by_id", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(store.database.reader()).await?)
}

/// The session of a user in which the access token at this place was issued, if it was issued in one.
pub(crate) async fn at_place(store: &Store, user_id: &str, place: &status_list::Place) -> Result<Option<String>, StoreError> {
    let of_user = Query::select().column(Column::Id).from(Entity).and_where(Column::UserId.eq(user_id)).take();
    Ok(refresh_token::Entity::find()
        .select_only()
        .column(refresh_token::Column::SessionId)
        .filter(refresh_token::Column::SessionId.in_subquery(of_user))
        .filter(refresh_token::Column::ListId.eq(&place.list_id))
        .filter(refresh_token::Column::Place.eq(place.place))
        .into_tuple()
        .one(store.database.reader())
        .await?)
}

/// Lets a session go on under another generation of its user, within the transaction of the change that makes it.
pub(super) async fn carry_over(transaction: &DatabaseTransaction, id: &str, generation: i64) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Generation, Expr::value(generation))
        .filter(Column::Id.eq(id))
        .filter(Column::EndedAt.is_null())
        .exec(transaction)
        .await?;
    Ok(())
}

/// The sessions of a user that have neither ended nor expired, the latest used first, no more than `limit`, continuing behind
/// the one that was last used at that time and has that identifier.
pub(crate) async fn live_of_user(
    store: &Store,
    user_id: &str,
    now: i64,
    after: Option<(i64, &str)>,
    limit: u64,
) -> Result<Vec<Model>, StoreError> {
    let mut query =
        Entity::find().filter(Column::UserId.eq(user_id)).filter(Column::EndedAt.is_null()).filter(Column::ExpiresAt.gt(now));
    if let Some((last_used_at, id)) = after {
        let used_together = Column::LastUsedAt.eq(last_used_at).and(Column::Id.lt(id));
        query = query.filter(Column::LastUsedAt.lt(last_used_at).or(used_together));
    }
    Ok(query.order_by_desc(Column::LastUsedAt).order_by_desc(Column::Id).limit(limit).all(store.database.reader()).await?)
}

/// Ends sessions and revokes their living access tokens, and records it; says how many ended.
#[tracing::instrument(target = "trace", name = "db session.end", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn end(store: &Store, which: Which<'_>, why: Ended, now: i64, event: AuditEvent) -> Result<u64, StoreError> {
    let transaction = store.database.begin().await?;
    let ended = end_within(&transaction, which, why, now).await?;
    if ended > 0 {
        audit_event::insert(&transaction, event).await?;
        transaction.commit().await?;
    }
    Ok(ended)
}

/// Ends sessions within the transaction of the change that ends them. Whatever ends all of a person's sessions also ends the
/// access tokens of their API keys, and so must come before the person's rows go.
pub(super) async fn end_within(
    transaction: &DatabaseTransaction,
    which: Which<'_>,
    why: Ended,
    now: i64,
) -> Result<u64, StoreError> {
    let chosen = || match which {
        Which::One(id) => Column::Id.eq(id),
        Which::OfUser(user) => Column::UserId.eq(user),
        Which::OfUserExcept(user, kept) => Column::UserId.eq(user).and(Column::Id.ne(kept)),
        Which::OfRole(role) => Column::UserId.in_subquery(user::holders(role)),
        Which::OfClient(client) => Column::ClientId.eq(client),
    };
    // The rows are taken by the update; the links are read after it, when no refresh can add one any more.
    let ended = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .col_expr(Column::EndedWhy, Expr::value(why))
        .filter(chosen())
        .filter(Column::EndedAt.is_null())
        .exec(transaction)
        .await?;
    let sessions = Query::select().column(Column::Id).from(Entity).and_where(chosen()).take();
    let places = refresh_token::living_places(transaction, sessions, now).await?;
    status_list::revoke(transaction, &places, now).await?;
    match which {
        Which::OfUser(user) | Which::OfUserExcept(user, _) => api_key::end_tokens_of_user(transaction, user, now).await?,
        Which::OfRole(role) => api_key::end_tokens_of_holders(transaction, role, now).await?,
        Which::One(_) | Which::OfClient(_) => {}
    }
    Ok(ended.rows_affected)
}

/// Forgets a batch of sessions that expired before `before`; their links go with them, no more than `most_links` of one
/// session in one transaction. Says whether there may be more.
pub(crate) async fn purge(store: &Store, before: i64, batch: u64, most_links: i32) -> Result<bool, StoreError> {
    let old = Batch::<Entity>::choose(store, Column::Id, Column::ExpiresAt.lt(before), batch).await?;
    refresh_token::shorten(store, old.keys(), most_links).await?;
    old.forget(store).await
}
