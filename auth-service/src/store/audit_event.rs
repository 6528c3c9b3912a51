//! `audit_event`: what happened; rows are only ever added.

use sea_orm::{ConnectionTrait, IntoActiveModel, entity::prelude::*};

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
}

impl ActiveModelBehavior for ActiveModel {}

/// Records an event on its own.
pub(crate) async fn record(store: &Store, event: Model) -> Result<(), StoreError> {
    insert(store.database.writer(), event).await
}

/// Records an event within the transaction of the change it tells of.
pub(super) async fn insert(connection: &impl ConnectionTrait, event: Model) -> Result<(), StoreError> {
    Entity::insert(event.into_active_model()).exec_without_returning(connection).await?;
    Ok(())
}
