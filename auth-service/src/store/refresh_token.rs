//! `refresh_token`: the links of a family.

use sea_orm::{
    ConnectionTrait, ExprTrait, FromQueryResult, IdenStatic, IntoActiveModel, Iterable, QuerySelect,
    entity::prelude::*,
    sea_query::{Order, Query, SelectStatement},
};

use super::{
    Store, StoreError, User, known, session, setting,
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
pub(crate) async fn by_digest(store: &Store, digest: &str) -> Result<Option<(Model, session::Model)>, StoreError> {
    let reader = store.database.reader();
    let Some(link) = Entity::find().filter(Column::Digest.eq(digest)).one(reader).await? else { return Ok(None) };
    let session = session::by_id(store, &link.session_id).await?;
    Ok(session.map(|session| (link, session)))
}

/// What a refresh token stands for, all of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) link: Model,
    pub(crate) session: session::Model,
    pub(crate) user: User,
    /// The names of the roles the user holds, sorted.
    pub(crate) roles: Vec<String>,
    /// Under which the rest is known ([`Store::known_under`]).
    pub(crate) mark: Option<String>,
}

/// What the refresh token of that digest stands for: one statement, whose rows differ in the role.
pub(crate) async fn standing(store: &Store, digest: &str) -> Result<Option<Standing>, StoreError> {
    const ROLE: &str = "role";
    const MARK: &str = "mark";
    let reader = store.database.reader();
    let mark = Query::select()
        .column(setting::Column::Value)
        .from(setting::Entity)
        .and_where(setting::Column::Name.eq(known::MARK))
        .to_owned();
    let mut query = Query::select();
    select_as::<Entity>(&mut query, LINK);
    select_as::<session::Entity>(&mut query, SESSION);
    select_as::<user::Entity>(&mut query, USER);
    query
        .expr_as(Expr::col((user_role::Entity, user_role::Column::Role)), ROLE)
        .expr_as(Expr::SubQuery(None, Box::new(mark.into())), MARK)
        .from(Entity)
        .inner_join(session::Entity, Expr::col((session::Entity, session::Column::Id)).equals((Entity, Column::SessionId)))
        .inner_join(user::Entity, Expr::col((user::Entity, user::Column::Id)).equals((session::Entity, session::Column::UserId)))
        .left_join(
            user_role::Entity,
            Expr::col((user_role::Entity, user_role::Column::UserId)).equals((user::Entity, user::Column::Id)),
        )
        .and_where(Column::Digest.eq(digest))
        .order_by((user_role::Entity, user_role::Column::Role), Order::Asc);
    let rows = reader.query_all(&query).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let roles: Vec<Option<String>> = rows.iter().map(|row| row.try_get("", ROLE)).collect::<Result<_, _>>()?;
    Ok(Some(Standing {
        link: Model::from_query_result(first, LINK)?,
        session: session::Model::from_query_result(first, SESSION)?,
        user: User::from_query_result(first, USER)?,
        roles: roles.into_iter().flatten().collect(),
        mark: first.try_get("", MARK)?,
    }))
}

/// What the columns of each table are called in the answer of [`standing`].
const LINK: &str = "link_";
const SESSION: &str = "session_";
const USER: &str = "user_";

fn select_as<E: EntityTrait>(query: &mut SelectStatement, prefix: &str) {
    for column in E::Column::iter() {
        query.expr_as(Expr::col((E::default(), column)), format!("{prefix}{}", column.as_str()));
    }
}

/// The link that came of this one.
pub(crate) async fn successor_of(store: &Store, link: &Model) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id((link.session_id.clone(), link.seq + 1)).one(store.database.reader()).await?)
}

/// Notes that another access token was issued with a link, at the same place as the first: it may live longer.
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

/// Marks a link as used; false if it was.
pub(super) async fn consume(connection: &impl ConnectionTrait, link: &Model, now: i64) -> Result<bool, StoreError> {
    let consumed = Entity::update_many()
        .col_expr(Column::ConsumedAt, Expr::value(now))
        .filter(Column::SessionId.eq(&link.session_id))
        .filter(Column::Seq.eq(link.seq))
        .filter(Column::ConsumedAt.is_null())
        .exec(connection)
        .await?;
    Ok(consumed.rows_affected == 1)
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
