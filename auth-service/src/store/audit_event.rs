//! `audit_event`: what happened; rows are only ever added, and numbered a moment later (`audit_chain` beside it).

use sea_orm::{ConnectionTrait, IntoActiveModel, QueryOrder, QuerySelect, entity::prelude::*};

use super::{Store, StoreError};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_event")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) action: String,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) detail: Option<String>,
    /// Its number in the chain, once it is sealed.
    pub(crate) seq: Option<i64>,
    /// SHA-256 over it and the hash of the one before.
    pub(crate) hash: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Records an event on its own.
#[tracing::instrument(target = "trace", name = "db audit_event.record", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn record(store: &Store, event: Model) -> Result<(), StoreError> {
    insert(store.database.writer(), event).await
}

/// Records an event within the transaction of the change it tells of.
pub(super) async fn insert(connection: &impl ConnectionTrait, event: Model) -> Result<(), StoreError> {
    Entity::insert(event.into_active_model()).exec_without_returning(connection).await?;
    Ok(())
}

/// Which events are looked for; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) action: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) ip: Option<String>,
    /// From this second on.
    pub(crate) since: Option<i64>,
    /// Until before this second.
    pub(crate) until: Option<i64>,
}

/// The newest events that match, before the one of this identifier if one is given.
pub(crate) async fn search(store: &Store, filter: &Filter, before: Option<&str>, limit: u64) -> Result<Vec<Model>, StoreError> {
    let mut events = Entity::find();
    let wanted = [
        (Column::Action, &filter.action),
        (Column::Outcome, &filter.outcome),
        (Column::Subject, &filter.subject),
        (Column::Actor, &filter.actor),
        (Column::ClientId, &filter.client),
        (Column::Ip, &filter.ip),
    ];
    for (column, value) in wanted {
        if let Some(value) = value {
            events = events.filter(column.eq(value));
        }
    }
    if let Some(since) = filter.since {
        events = events.filter(Column::At.gte(since));
    }
    if let Some(until) = filter.until {
        events = events.filter(Column::At.lt(until));
    }
    if let Some(before) = before {
        events = events.filter(Column::Id.lt(before));
    }
    // Identifiers are UUIDv7: in the order of time.
    Ok(events.order_by_desc(Column::Id).limit(limit).all(store.database.reader()).await?)
}
