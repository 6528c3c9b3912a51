//! Exchanging a link of a family for its successor.
//!
//! On SQLite a commit waits for the disk, and one goes on at a time. What arrives meanwhile is committed together: each
//! exchange is decided on its own, and all that succeed are on the disk before any of them is answered. PostgreSQL groups the
//! commits of its connections by itself.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sea_orm::{DatabaseTransaction, DbBackend, ExprTrait, IntoActiveModel, entity::prelude::*, sea_query::Query};
use tokio::sync::oneshot;

use super::{
    AuditEvent, Store, StoreError, audit_event,
    refresh_token::{self, Model as Link},
    session, user,
};

/// How many exchanges are committed together at the most: enough to share the disk, and bounded for those who wait.
const MOST: usize = 32;

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
    pub(crate) consumed: Link,
    pub(crate) successor: Link,
    /// Where the request comes from.
    pub(crate) ip: String,
    /// The record of it.
    pub(crate) event: AuditEvent,
}

/// The exchanges that wait for the one before them.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    entries: Vec<Entry>,
    is_served: bool,
}

#[derive(Debug)]
struct Entry {
    exchange: Exchange,
    answer: oneshot::Sender<Result<Rotation, StoreError>>,
}

/// Consumes a link and adds its successor, in one step that succeeds for one caller only, and records it.
///
/// The user's state and generation are compared inside that step, so that a disabling or a change of password wins every
/// race against a refresh.
pub(crate) async fn rotate(store: &Store, exchange: Exchange) -> Result<Rotation, StoreError> {
    match store.database.writer().get_database_backend() {
        DbBackend::Sqlite => {
            let (answer, answered) = oneshot::channel();
            if store.rotations.enter(Entry { exchange, answer }) {
                // A task of its own: a client that hangs up takes its own exchange away at the most, not those of others.
                tokio::spawn(Server(store.clone()).serve());
            }
            answered.await.unwrap_or_else(|_| Err(DbErr::Custom("the exchange was broken off".to_owned()).into()))
        }
        _ => alone(store, exchange).await,
    }
}

impl Queue {
    /// Takes an exchange in; true if nobody serves the queue yet.
    fn enter(&self, entry: Entry) -> bool {
        let mut waiting = self.waiting();
        waiting.entries.push(entry);
        !mem::replace(&mut waiting.is_served, true)
    }

    /// Those who come next; if there are none, nobody serves the queue from here on.
    fn next(&self) -> Vec<Entry> {
        let mut waiting = self.waiting();
        let count = waiting.entries.len().min(MOST);
        waiting.is_served = count > 0;
        waiting.entries.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the queue until it is empty.
struct Server(Store);

impl Server {
    async fn serve(self) {
        loop {
            // Whoever can run now signs and comes along: it costs nothing while nobody else is there.
            tokio::task::yield_now().await;
            let mut entries = self.0.rotations.next();
            if entries.is_empty() {
                return;
            }
            // Who has hung up needs no successor: the token that was shown stays good.
            entries.retain(|entry| !entry.answer.is_closed());
            match entries.len() {
                0 => {}
                1 => self.each_alone(entries).await,
                _ => self.answer(entries).await,
            }
        }
    }

    async fn answer(&self, entries: Vec<Entry>) {
        let exchanges: Vec<&Exchange> = entries.iter().map(|entry| &entry.exchange).collect();
        match together(&self.0, &exchanges).await {
            Ok(rotations) => {
                for (entry, rotation) in entries.into_iter().zip(rotations) {
                    let _ = entry.answer.send(Ok(rotation));
                }
            }
            // Whatever it was, it must not be everybody's.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "Refreshes could not be committed together");
                self.each_alone(entries).await;
            }
        }
    }

    async fn each_alone(&self, entries: Vec<Entry>) {
        for Entry { exchange, answer } in entries {
            // Waiting for those before may have taken longer than anybody waits.
            if !answer.is_closed() {
                let _ = answer.send(alone(&self.0, exchange).await);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Broken off by a panic, or with the runtime: those who wait are told, and the next one begins anew.
        if std::thread::panicking() {
            let mut waiting = self.0.rotations.waiting();
            waiting.is_served = false;
            waiting.entries.clear();
        }
    }
}

/// Makes one exchange, in a transaction of its own.
async fn alone(store: &Store, exchange: Exchange) -> Result<Rotation, StoreError> {
    let transaction = store.database.begin().await?;
    if !hold(&transaction, &exchange).await? || !consume(&transaction, &exchange).await? {
        return Ok(Rotation::Lost);
    }
    refresh_token::insert(&transaction, exchange.successor).await?;
    audit_event::insert(&transaction, exchange.event).await?;
    transaction.commit().await?;
    Ok(Rotation::Rotated)
}

/// Makes several exchanges in one transaction; each may be lost without the others.
async fn together(store: &Store, exchanges: &[&Exchange]) -> Result<Vec<Rotation>, StoreError> {
    let transaction = store.database.begin().await?;
    let mut rotations = Vec::with_capacity(exchanges.len());
    let (mut links, mut events) = (Vec::new(), Vec::new());
    for exchange in exchanges {
        if !hold(&transaction, exchange).await? {
            rotations.push(Rotation::Lost);
            continue;
        }
        if !consume(&transaction, exchange).await? {
            // The session was changed for nothing, which cannot be while nobody else writes.
            return Err(DbErr::Custom("a link was consumed between two statements".to_owned()).into());
        }
        links.push(exchange.successor.clone().into_active_model());
        events.push(exchange.event.clone().into_active_model());
        rotations.push(Rotation::Rotated);
    }
    if !links.is_empty() {
        refresh_token::Entity::insert_many(links).exec_without_returning(&transaction).await?;
        audit_event::Entity::insert_many(events).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
    }
    Ok(rotations)
}

/// Takes the session's row, if it stands and the link was not used: false, and nothing is changed.
async fn hold(transaction: &DatabaseTransaction, exchange: &Exchange) -> Result<bool, StoreError> {
    let Exchange { consumed, successor, ip, .. } = exchange;
    let holder = Query::select()
        .column(user::Column::Generation)
        .from(user::Entity)
        .and_where(Expr::col((user::Entity, user::Column::Id)).equals((session::Entity, session::Column::UserId)))
        .and_where(user::Column::State.eq(user::State::Active))
        .to_owned();
    let unused = Query::select()
        .expr(Expr::value(1))
        .from(refresh_token::Entity)
        .and_where(refresh_token::Column::SessionId.eq(&consumed.session_id))
        .and_where(refresh_token::Column::Seq.eq(consumed.seq))
        .and_where(refresh_token::Column::ConsumedAt.is_null())
        .to_owned();
    let held = session::Entity::update_many()
        .col_expr(session::Column::LastUsedAt, Expr::value(successor.issued_at))
        .col_expr(session::Column::Ip, Expr::value(ip))
        .filter(session::Column::Id.eq(&consumed.session_id))
        .filter(session::Column::EndedAt.is_null())
        .filter(Expr::col(session::Column::Generation).eq(Expr::SubQuery(None, Box::new(holder.into()))))
        .filter(Expr::exists(unused))
        .exec(transaction)
        .await?;
    Ok(held.rows_affected == 1)
}

async fn consume(transaction: &DatabaseTransaction, exchange: &Exchange) -> Result<bool, StoreError> {
    refresh_token::consume(transaction, &exchange.consumed, exchange.successor.issued_at).await
}
