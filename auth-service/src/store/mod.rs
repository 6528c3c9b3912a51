//! What is kept, one file per table: the row, and the verbs on it, each of which happens wholly or not at all.

pub(crate) mod api_key;
pub(crate) mod audit_chain;
pub(crate) mod audit_event;
mod batch;
pub(crate) mod change;
pub(crate) mod client;
pub(crate) mod desired_state;
pub(crate) mod embedded;
mod followed;
mod grouped;
pub(crate) mod invitation;
mod known;
pub(crate) mod login_attempt;
mod migration;
pub(crate) mod refresh_token;
pub(crate) mod resource;
pub(crate) mod role;
pub(crate) mod rotation;
pub(crate) mod session;
pub(crate) mod setting;
pub(crate) mod signing_key;
pub(crate) mod status_list;
pub(crate) mod transfer;
pub(crate) mod turn;
pub(crate) mod user;

use std::sync::Arc;

use sea_orm::DbErr;
use shared::{
    database::{Database, DatabaseError},
    server::metrics::Metrics,
};

pub(crate) use self::{
    api_key::Model as ApiKeyRow,
    audit_event::Model as AuditEvent,
    change::Denial,
    client::{Client, Model as ClientRow},
    resource::Catalog,
    role::Rights,
    signing_key::Model as SigningKeyRow,
    user::{Model as User, Stored},
};
use self::{followed::Followed, grouped::Queue, known::Known, login_attempt::Untouched};

/// A stretch of a list.
#[derive(Clone, Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// Behind what the next stretch begins, if there is one.
    pub(crate) next: Option<String>,
}

/// The database could not do it: it is away, busy or broken. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the database could not do it")]
pub(crate) struct StoreError(#[from] DbErr);

impl StoreError {
    /// Whether there was no connection to be had: nobody else would have got one either.
    fn is_of_connection(&self) -> bool {
        matches!(self.0, DbErr::Conn(_) | DbErr::ConnectionAcquire(_))
    }
}

/// The service's own database.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Database,
    known: Arc<Followed<Known>>,
    untouched: Arc<Followed<Untouched>>,
    rotations: Arc<Queue<rotation::Exchange>>,
    standings: Arc<Queue<refresh_token::Shown>>,
}

impl Store {
    /// Connects, and brings the schema up to date.
    pub(crate) async fn open(url: &str, pool_size: u32) -> Result<Self, DatabaseError> {
        Ok(Self::on(Database::open::<migration::Migrator>(url, pool_size).await?))
    }

    fn on(database: Database) -> Self {
        let known = Arc::new(Followed::new(known::MARK));
        let untouched = Arc::new(Followed::new(login_attempt::MARK));
        Self { database, known, untouched, rotations: Arc::default(), standings: Arc::default() }
    }

    /// Clients, resources and roles as they were a moment ago at the most: for what can be taken back later, as a token can.
    pub(crate) async fn known(&self) -> Result<Arc<Known>, StoreError> {
        self.known.recent(self).await
    }

    /// Clients, resources and roles under a mark that was read just now.
    pub(crate) fn known_under(&self, mark: Option<String>) -> Arc<Known> {
        self.known.under(mark)
    }

    /// Clients, resources and roles as they are now.
    pub(crate) async fn known_now(&self) -> Result<Arc<Known>, StoreError> {
        self.known.now(self).await
    }

    /// Asks the database for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.database.ping().await?)
    }

    /// Publishes how busy its connections are.
    pub(crate) fn publish(&self, metrics: &Metrics) {
        metrics.publish_database(&self.database);
    }

    /// Closes every connection.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        Ok(self.database.close().await?)
    }
}
