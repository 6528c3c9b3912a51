//! `refresh_token`: the links of a family.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, DbBackend, ExprTrait, IntoActiveModel, QuerySelect,
    entity::prelude::*,
    sea_query::{Func, Query, SelectStatement},
};
use serde::Deserialize;

use super::{
    Store, StoreError,
    grouped::{self, Grouped, Queue},
    known, session, setting,
    status_list::Place,
    user::{self, user_role},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_token")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) session_id: String,
    /// Orders the links without a clock.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seq: i32,
    /// SHA-256 of the token; a session without refreshing has one link, without digest.
    pub(crate) digest: Option<String>,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) consumed_at: Option<i64>,
    /// Where the access token that was issued with the link can be revoked, while it lives.
    pub(crate) list_id: String,
    pub(crate) place: i32,
    pub(crate) access_expires_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// The link of that digest and its session.
#[tracing::instrument(target = "trace", name = "db refresh_token.by_digest", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn by_digest(store: &Store, digest: &str) -> Result<Option<(Model, session::Model)>, StoreError> {
    let reader = store.database.reader();
    let Some(link) = Entity::find().filter(Column::Digest.eq(digest)).one(reader).await? else { return Ok(None) };
    let session = session::by_id(store, &link.session_id).await?;
    Ok(session.map(|session| (link, session)))
}

/// What a refresh token stands for, all of one moment. The order is that of [`standings`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Standing {
    pub(crate) session_id: String,
    /// The number of the link in the family.
    pub(crate) seq: i32,
    pub(crate) consumed_at: Option<i64>,
    /// When the link ends unused.
    pub(crate) idle_until: i64,
    pub(crate) user_id: String,
    pub(crate) client_id: String,
    pub(crate) resource_id: String,
    pub(crate) scope: String,
    pub(crate) logged_in_at: i64,
    /// When the session ends.
    pub(crate) expires_at: i64,
    pub(crate) ended_at: Option<i64>,
    /// The user's generation at the login.
    pub(crate) generation: i64,
    pub(crate) user_generation: i64,
    pub(crate) user_state: user::State,
    /// The names of the roles the user holds, sorted.
    #[serde(skip)]
    pub(crate) roles: Vec<String>,
    /// Under which the rest is known ([`Store::known_under`]).
    #[serde(skip)]
    pub(crate) mark: Option<String>,
}

/// What the refresh token of that digest stands for.
#[tracing::instrument(target = "trace", name = "db refresh_token.standing", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn standing(store: &Store, digest: String) -> Result<Option<Standing>, StoreError> {
    grouped::ask(store, Shown { digest }).await
}

/// A token that was shown.
#[derive(Debug)]
pub(super) struct Shown {
    digest: String,
}

impl Grouped for Shown {
    type Answer = Option<Standing>;

    fn queue(store: &Store) -> &Queue<Self> {
        &store.standings
    }

    async fn together(store: &Store, group: &[Self]) -> Result<Vec<Option<Option<Standing>>>, StoreError> {
        let standings = standings(store, group).await?;
        // Two may have shown the same.
        Ok(group.iter().map(|shown| Some(standings.get(&shown.digest).cloned())).collect())
    }

    async fn alone(store: &Store, shown: Self) -> Result<Option<Standing>, StoreError> {
        Ok(standings(store, &[shown]).await?.into_values().next())
    }
}

/// What each of these stands for, by digest.
///
/// The answer is one row of JSON: of an embedded database, each row may cost a switch of threads and back.
async fn standings(store: &Store, shown: &[Shown]) -> Result<HashMap<String, Standing>, StoreError> {
    let reader = store.database.reader();
    let (array, all) = match reader.get_database_backend() {
        DbBackend::Postgres => ("json_build_array", "json_agg"),
        _ => ("json_array", "json_group_array"),
    };
    let of_session = |column| Expr::col((session::Entity, column));
    let of_user = |column| Expr::col((user::Entity, column));
    let standing = Func::cust(array).args([
        Expr::col((Entity, Column::SessionId)),
        Expr::col((Entity, Column::Seq)),
        Expr::col((Entity, Column::ConsumedAt)),
        Expr::col((Entity, Column::ExpiresAt)),
        of_session(session::Column::UserId),
        of_session(session::Column::ClientId),
        of_session(session::Column::ResourceId),
        of_session(session::Column::Scope),
        of_session(session::Column::CreatedAt),
        of_session(session::Column::ExpiresAt),
        of_session(session::Column::EndedAt),
        of_session(session::Column::Generation),
        of_user(user::Column::Generation),
        of_user(user::Column::State),
    ]);
    let role = Expr::col((user_role::Entity, user_role::Column::Role));
    let of_role = Func::cust(array).args([Expr::col((Entity, Column::Digest)), role, standing.into()]);
    let mark = Query::select()
        .column(setting::Column::Value)
        .from(setting::Entity)
        .and_where(setting::Column::Name.eq(known::MARK))
        .to_owned();
    let query = Query::select()
        .expr(Func::cust(all).arg(of_role).cast_as("text"))
        .expr(Expr::SubQuery(None, Box::new(mark.into())))
        .from(Entity)
        .inner_join(session::Entity, of_session(session::Column::Id).equals((Entity, Column::SessionId)))
        .inner_join(user::Entity, of_user(user::Column::Id).equals((session::Entity, session::Column::UserId)))
        .left_join(
            user_role::Entity,
            Expr::col((user_role::Entity, user_role::Column::UserId)).equals((user::Entity, user::Column::Id)),
        )
        .and_where(Column::Digest.is_in(shown.iter().map(|shown| &*shown.digest)))
        .to_owned();
    let mut standings: HashMap<String, Standing> = HashMap::with_capacity(shown.len());
    let Some(row) = reader.query_one(&query).await? else { return Ok(standings) };
    let Some(found) = row.try_get_by_index::<Option<String>>(0)? else { return Ok(standings) };
    let mark: Option<String> = row.try_get_by_index(1)?;
    let found: Vec<(String, Option<String>, Standing)> =
        serde_json::from_str(&found).map_err(|error| DbErr::Type(error.to_string()))?;
    for (digest, role, standing) in found {
        let standing = standings.entry(digest).or_insert(Standing { mark: mark.clone(), ..standing });
        standing.roles.extend(role);
    }
    for standing in standings.values_mut() {
        standing.roles.sort_unstable();
    }
    Ok(standings)
}

/// The link that came of this one.
#[tracing::instrument(target = "trace", name = "db refresh_token.successor_of", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn successor_of(store: &Store, session_id: &str, seq: i32) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id((session_id.to_owned(), seq + 1)).one(store.database.reader()).await?)
}

/// Notes that another access token was issued with a link, at the same place as the first: it may live longer.
#[tracing::instrument(target = "trace", name = "db refresh_token.prolong", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn prolong(store: &Store, link: &Model, access_expires_at: i64) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::AccessExpiresAt, Expr::value(access_expires_at))
        .filter(Column::SessionId.eq(&link.session_id))
        .filter(Column::Seq.eq(link.seq))
        .filter(Column::AccessExpiresAt.lt(access_expires_at))
        .exec(store.database.writer())
        .await?;
    Ok(())
}

pub(super) async fn insert(connection: &impl ConnectionTrait, link: Model) -> Result<(), StoreError> {
    Entity::insert(link.into_active_model()).exec_without_returning(connection).await?;
    Ok(())
}

/// Forgets links of sessions that have ended, until each has `most` at the most, so many at a time.
pub(super) async fn shorten(store: &Store, sessions: &[String], most: i32) -> Result<(), StoreError> {
    let writer = store.database.writer();
    let long: Vec<(String, i32, i32)> = Entity::find()
        .select_only()
        .column(Column::SessionId)
        .column_as(Column::Seq.min(), "first")
        .column_as(Column::Seq.max(), "last")
        .filter(Column::SessionId.is_in(sessions))
        .group_by(Column::SessionId)
        .having(Expr::expr(Column::Seq.max()).sub(Expr::expr(Column::Seq.min())).gte(most))
        .into_tuple()
        .all(writer)
        .await?;
    for (session_id, first, last) in long {
        let mut below = first;
        while last - below >= most {
            below += most;
            Entity::delete_many().filter(Column::SessionId.eq(&session_id)).filter(Column::Seq.lt(below)).exec(writer).await?;
        }
    }
    Ok(())
}

/// The places of these sessions' access tokens that are still alive.
pub(super) async fn living_places(
    connection: &impl ConnectionTrait,
    sessions: SelectStatement,
    now: i64,
) -> Result<Vec<Place>, StoreError> {
    let places: Vec<(String, i32)> = Entity::find()
        .select_only()
        .columns([Column::ListId, Column::Place])
        .filter(Column::SessionId.in_subquery(sessions))
        .filter(Column::AccessExpiresAt.gt(now))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(places.into_iter().map(|(list_id, place)| Place { list_id, place }).collect())
}
