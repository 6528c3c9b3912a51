//! The schema: which steps were taken, and taking those that were not.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr,
    sea_query::{Alias, Order, Query},
};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use super::{Database, DatabaseError};

/// What a migration on PostgreSQL begins with: it may take its time, and the lock lets one replica in at a time. The number
/// is ours alone.
const ALONE: [&str; 4] = [
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL lock_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SELECT pg_advisory_xact_lock(7216840193370)",
];

impl Database {
    /// Brings the schema up to date, and touches nothing if a newer version of the program has been here.
    ///
    /// All steps are one transaction, and of several replicas that start at once one takes them while the others wait. Where
    /// nothing is to be done no right to change the schema is needed.
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), DatabaseError> {
        let applied = self.applied_steps::<M>().await.map_err(DatabaseError::Unreachable)?;
        let known = M::migrations();
        if let Some(unknown) = applied.iter().find(|name| !known.iter().any(|step| step.name() == *name)) {
            return Err(DatabaseError::Newer(unknown.clone()));
        }
        let pending = known.len() - applied.len();
        if pending == 0 {
            return Ok(());
        }
        let transaction = self.begin().await.map_err(DatabaseError::Unreachable)?;
        if self.writer.get_database_backend() == DbBackend::Postgres {
            for statement in ALONE {
                transaction.execute_unprepared(statement).await.map_err(DatabaseError::Unreachable)?;
            }
        }
        // Whoever had the lock before may have taken them all by now.
        M::up(&transaction, None).await.map_err(|error| failed(error, pending))?;
        transaction.commit().await.map_err(DatabaseError::Migration)
    }

    /// The names of the steps that were taken; a database in which no program ever was has none. Nothing is made for it.
    pub async fn applied_steps<M: MigratorTrait>(&self) -> Result<Vec<String>, DbErr> {
        applied::<M>(self.writer()).await
    }
}

async fn applied<M: MigratorTrait>(connection: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let table = M::migration_table_name();
    if !SchemaManager::new(connection).has_table(table.to_string()).await? {
        return Ok(Vec::new());
    }
    let version = Alias::new("version");
    let names = Query::select().column(version.clone()).from(table).order_by(version, Order::Asc).take();
    connection.query_all(&names).await?.iter().map(|row| row.try_get("", "version")).collect()
}

/// A step that this role may not take is somebody else's to take.
fn failed(error: DbErr, pending: usize) -> DatabaseError {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    let is_refused = match &error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            error.as_database_error().and_then(|error| Some(error.code()? == INSUFFICIENT_PRIVILEGE))
        }
        _ => None,
    };
    if is_refused == Some(true) { DatabaseError::NotOurs { pending, source: error } } else { DatabaseError::Migration(error) }
}
