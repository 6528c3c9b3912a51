//! Exchanging links of families for their successors, several in one transaction ([`grouped`]): each may be lost without the
//! others, and all that succeed are on the disk before any of them is answered.

use std::collections::HashSet;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, ExecResult, ExprTrait, IntoActiveModel,
    entity::prelude::*,
    sea_query::{IntoValueTuple, LockBehavior, LockType, Query, TableRef},
};

use super::{
    AuditEvent, Store, StoreError, audit_event,
    grouped::{self, Grouped, Queue},
    refresh_token::{self, Model as Link},
    session, user,
};

/// What came of exchanging a refresh token for its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// The successor is the family's one living link.
    Rotated,
    /// Somebody was quicker: the token was used, or the family ended.
    Lost,
}

/// A link that is to be exchanged.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The number of the link in its family.
    pub(crate) consumed: i32,
    pub(crate) successor: Link,
    /// Where the request comes from.
    pub(crate) ip: String,
    /// The record of it.
    pub(crate) event: AuditEvent,
}

/// Consumes a link and adds its successor, in one step that succeeds for one caller only, and records it.
///
/// The user's state and generation are compared inside that step, so that a disabling or a change of password wins every
/// race against a refresh.
#[tracing::instrument(target = "trace", name = "db rotation.rotate", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn rotate(store: &Store, exchange: Exchange) -> Result<Rotation, StoreError> {
    grouped::ask(store, exchange).await
}

impl Grouped for Exchange {
    type Answer = Rotation;

    fn queue(store: &Store) -> &Queue<Self> {
        &store.rotations
    }

    async fn together(store: &Store, group: &[Self]) -> Result<Vec<Option<Rotation>>, StoreError> {
        // Of two that want the same family the second finds out alone what the first has left.
        let mut families = HashSet::new();
        let firsts: Vec<&Self> = group.iter().filter(|exchange| families.insert(exchange.family())).collect();
        let transaction = store.database.begin().await?;
        let mut rotated = exchange(&transaction, &firsts, Held::Skip).await?;
        if !rotated.is_empty() {
            transaction.commit().await?;
        }
        // Those that were not made have lost, or somebody held their family.
        let told = |exchange: &Self| rotated.remove(exchange.family()).then_some(Rotation::Rotated);
        Ok(group.iter().map(told).collect())
    }

    async fn alone(store: &Store, exchange: Self) -> Result<Rotation, StoreError> {
        let transaction = store.database.begin().await?;
        if self::exchange(&transaction, &[&exchange], Held::Await).await?.is_empty() {
            return Ok(Rotation::Lost);
        }
        transaction.commit().await?;
        Ok(Rotation::Rotated)
    }
}

impl Exchange {
    fn family(&self) -> &str {
        &self.successor.session_id
    }
}

/// What to do about a family that somebody else is changing just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Await,
    /// PostgreSQL only; in SQLite nobody else writes meanwhile.
    Skip,
}

/// Makes those exchanges that can be made, of a family one at the most, and tells their families; if there are none, the
/// transaction must not be committed.
async fn exchange(transaction: &DatabaseTransaction, exchanges: &[&Exchange], held: Held) -> Result<HashSet<String>, StoreError> {
    let taken = take(transaction, exchanges, held).await?;
    let exchanges: Vec<&Exchange> = exchanges.iter().copied().filter(|exchange| taken.contains(exchange.family())).collect();
    if exchanges.is_empty() {
        return Ok(taken);
    }
    let consumed = consume(transaction, &exchanges).await?;
    if consumed == 0 {
        return Ok(HashSet::new());
    }
    if consumed != taken.len() {
        // PostgreSQL looked at a link before whoever held its family let go of it.
        return Err(DbErr::Custom("a link was consumed between two statements".to_owned()).into());
    }
    let successors = exchanges.iter().map(|exchange| exchange.successor.clone().into_active_model());
    refresh_token::Entity::insert_many(successors).exec_without_returning(transaction).await?;
    let events = exchanges.iter().map(|exchange| exchange.event.clone().into_active_model());
    audit_event::Entity::insert_many(events).exec_without_returning(transaction).await?;
    Ok(taken)
}

/// Takes the rows of the sessions that stand and whose links were not used, and tells which these are.
async fn take(transaction: &DatabaseTransaction, exchanges: &[&Exchange], held: Held) -> Result<HashSet<String>, StoreError> {
    let Wanted { family, seq, ip, rows } = Wanted::of(exchanges);
    let holder = Query::select()
        .column(user::Column::Generation)
        .from(user::Entity)
        .and_where(Expr::col((user::Entity, user::Column::Id)).equals((session::Entity, session::Column::UserId)))
        .and_where(user::Column::State.eq(user::State::Active))
        .to_owned();
    let unused = Query::select()
        .expr(Expr::value(1))
        .from(refresh_token::Entity)
        .and_where(Expr::col((refresh_token::Entity, refresh_token::Column::SessionId)).eq(family.clone()))
        .and_where(Expr::col((refresh_token::Entity, refresh_token::Column::Seq)).eq(seq))
        .and_where(refresh_token::Column::ConsumedAt.is_null())
        .to_owned();
    let mut update = Query::update();
    update
        .table(session::Entity)
        .value(session::Column::LastUsedAt, latest(exchanges))
        .value(session::Column::Ip, ip)
        .and_where(Expr::col((session::Entity, session::Column::Id)).eq(family))
        .and_where(session::Column::EndedAt.is_null())
        .and_where(Expr::col((session::Entity, session::Column::Generation)).eq(Expr::SubQuery(None, Box::new(holder.into()))))
        .and_where(Expr::exists(unused));
    if let Some(rows) = rows {
        update.from(rows);
    }
    if held == Held::Skip && transaction.get_database_backend() == DbBackend::Postgres {
        let free = Query::select()
            .column(session::Column::Id)
            .from(session::Entity)
            .and_where(session::Column::Id.is_in(exchanges.iter().map(|exchange| exchange.family())))
            .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
            .to_owned();
        update.and_where(Expr::col((session::Entity, session::Column::Id)).in_subquery(free));
    }
    let taken = affected(&transaction.execute(&update).await?);
    if taken == exchanges.len() {
        return Ok(exchanges.iter().map(|exchange| exchange.family().to_owned()).collect());
    }
    if taken == 0 {
        return Ok(HashSet::new());
    }
    // Which ones is asked only now: each row that is told may cost a switch of threads. It changes nothing to do it again.
    let taken = transaction.query_all(update.returning_col(session::Column::Id)).await?;
    Ok(taken.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}

/// Marks the links as used; how many were not.
async fn consume(transaction: &DatabaseTransaction, exchanges: &[&Exchange]) -> Result<usize, StoreError> {
    let Wanted { family, seq, rows, .. } = Wanted::of(exchanges);
    let mut update = Query::update();
    update
        .table(refresh_token::Entity)
        .value(refresh_token::Column::ConsumedAt, latest(exchanges))
        .and_where(Expr::col((refresh_token::Entity, refresh_token::Column::SessionId)).eq(family))
        .and_where(Expr::col((refresh_token::Entity, refresh_token::Column::Seq)).eq(seq))
        .and_where(refresh_token::Column::ConsumedAt.is_null());
    if let Some(rows) = rows {
        update.from(rows);
    }
    Ok(affected(&transaction.execute(&update).await?))
}

fn affected(result: &ExecResult) -> usize {
    usize::try_from(result.rows_affected()).unwrap_or_default()
}

/// They are made at the same moment: that of the latest of them.
fn latest(exchanges: &[&Exchange]) -> i64 {
    exchanges.iter().map(|exchange| exchange.successor.issued_at).max().unwrap_or_default()
}

/// What is exchanged, as a statement says it.
struct Wanted {
    family: Expr,
    seq: Expr,
    ip: Expr,
    /// Where they are, if they are several.
    rows: Option<TableRef>,
}

impl Wanted {
    /// One alone is said as it is, and its statement needs no table.
    fn of(exchanges: &[&Exchange]) -> Self {
        const ROWS: &str = "wanted";
        if let [one] = exchanges {
            return Self { family: one.family().into(), seq: one.consumed.into(), ip: (&*one.ip).into(), rows: None };
        }
        let rows = exchanges.iter().map(|exchange| (exchange.family(), exchange.consumed, &*exchange.ip).into_value_tuple());
        let column = |name| Expr::col((ROWS, name));
        Self {
            family: column("column1"),
            seq: column("column2"),
            ip: column("column3"),
            rows: Some(grouped::rows_as(ROWS, rows.collect())),
        }
    }
}
