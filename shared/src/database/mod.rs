//! How a service stands on its database: embedded SQLite, or PostgreSQL.
//!
//! SQLite allows one writer at a time. A pool of writers would only wait for each other inside the database, and fail
//! where a read turns into a write; so there is one writing connection, whose transactions begin `IMMEDIATE`, and a pool
//! of readers beside it. PostgreSQL has one pool for both.

mod pool;
mod schema;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use prometheus_client::metrics::histogram::Histogram;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use tracing::Instrument;

pub use self::pool::make_private_directory;
use self::pool::{BUSY_TIMEOUT, connect, make_private, postgres, sqlite};
use crate::trace_context::{self, TRACE};

const SQLITE_READERS: u32 = 4;
/// From a connection that lies ready to one that is waited for until it is too late, in seconds.
const WAITS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0];
/// How long a start waits between two attempts to reach the database, at first and at most, and altogether.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(2);

/// A connected database.
#[derive(Clone, Debug)]
pub struct Database {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    limits: Limits,
    waits: Histogram,
}

/// How many connections each pool may have; no readers: one pool is for both.
#[derive(Clone, Copy, Debug)]
struct Limits {
    readers: Option<u32>,
    writers: u32,
}

/// How busy a pool of connections is.
#[derive(Clone, Copy, Debug)]
pub struct PoolState {
    /// `all`, or `reader` and `writer` where they are apart.
    pub name: &'static str,
    /// Connections that are open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL names neither SQLite nor PostgreSQL.
    #[error("the database URL begins with neither `sqlite:` nor `postgres:`")]
    Url,
    /// It does not answer; it may later.
    #[error("the database does not answer")]
    Unreachable(#[source] DbErr),
    /// It holds migrations that this version does not know.
    #[error(
        "the database was migrated by a newer version of this program (it knows `{0}`); \
         start that version, or restore a backup made before the upgrade"
    )]
    Newer(String),
    /// A migration failed.
    #[error("the database could not be migrated")]
    Migration(#[source] DbErr),
    /// The schema is behind, and the role that connects may not change it.
    #[error(
        "the schema of the database is {pending} steps behind, and the role that this program connects with may not change \
         it; run `migrate` with the URL of the role that owns the tables, then start again"
    )]
    NotOurs {
        /// How many steps are to be taken.
        pending: usize,
        /// What the database said.
        source: DbErr,
    },
}

impl Database {
    /// Connects to `sqlite:…` or `postgres:…`; `pool_size` bounds the connections to PostgreSQL.
    pub async fn connect(url: &str, pool_size: u32) -> Result<Self, DatabaseError> {
        if url.starts_with("sqlite:") {
            make_private(url);
            let writer = connect(sqlite(url, 1)).await?;
            let reader = connect(sqlite(url, SQLITE_READERS)).await?;
            return Ok(Self::of(reader, writer, Limits { readers: Some(SQLITE_READERS), writers: 1 }));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = connect(postgres(url, pool_size)).await?;
            return Ok(Self::of(pool.clone(), pool, Limits { readers: None, writers: pool_size }));
        }
        Err(DatabaseError::Url)
    }

    fn of(reader: DatabaseConnection, writer: DatabaseConnection, limits: Limits) -> Self {
        Self { reader, writer, limits, waits: Histogram::new(WAITS) }
    }

    /// Where single reads go.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Where single writes go.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that will write; dropping it rolls it back.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let asked = Instant::now();
        let begun = self
            .writer
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: (self.writer.get_database_backend() == DbBackend::Sqlite)
                    .then_some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .instrument(trace_context::step(|| tracing::info_span!(target: TRACE, "db begin", otel.kind = "client")))
            .await;
        self.waits.observe(asked.elapsed().as_secs_f64());
        begun
    }

    /// How busy the pools are.
    pub fn pools(&self) -> Vec<PoolState> {
        let Limits { readers, writers } = self.limits;
        let writer = PoolState { name: if readers.is_some() { "writer" } else { "all" }, ..state(&self.writer, writers) };
        let reader = readers.map(|most| PoolState { name: "reader", ..state(&self.reader, most) });
        [Some(writer), reader].into_iter().flatten().collect()
    }

    /// How long transactions waited to begin, in seconds.
    pub const fn waits(&self) -> &Histogram {
        &self.waits
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.reader.ping().await
    }

    /// Connects and brings the schema up to date. A PostgreSQL that does not answer yet is waited for: whatever starts us
    /// may start it later. A file does not come up later, but another process that is making it just now will be done soon.
    pub async fn open<M: MigratorTrait>(url: &str, pool_size: u32) -> Result<Self, DatabaseError> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let opened = match Self::connect(url, pool_size).await {
                Ok(database) => database.migrate::<M>().await.map(|()| database),
                Err(error) => Err(error),
            };
            match opened {
                Err(DatabaseError::Unreachable(error)) if began.elapsed() < patience(url, &error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "The database does not answer yet; trying again in {pause:?}"
                    );
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                opened => return opened,
            }
        }
    }

    /// Closes every connection, so that SQLite leaves one file behind.
    pub async fn close(self) -> Result<(), DbErr> {
        self.reader.close().await?;
        self.writer.close().await
    }
}

fn state(connections: &DatabaseConnection, most: u32) -> PoolState {
    let (open, idle) = if connections.get_database_backend() == DbBackend::Sqlite {
        let pool = connections.get_sqlite_connection_pool();
        (pool.size(), pool.num_idle())
    } else {
        let pool = connections.get_postgres_connection_pool();
        (pool.size(), pool.num_idle())
    };
    // Two numbers that are not read at the same moment.
    PoolState { name: "", open, idle: u32::try_from(idle).map_or(open, |idle| idle.min(open)), most }
}

/// The file behind a URL, if the database is embedded.
pub fn embedded_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?.split('?').next()?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path.replace("%3F", "?").replace("%25", "%")))
}

/// How long to try again after this error.
fn patience(url: &str, error: &DbErr) -> Duration {
    if !url.starts_with("sqlite:") {
        return PATIENCE;
    }
    // Two processes that turn a fresh file to WAL at once: SQLite tells the later one without waiting, whatever the
    // busy timeout is.
    if is_locked(error) { BUSY_TIMEOUT } else { Duration::ZERO }
}

/// Whether SQLite says that somebody else holds the file: `SQLITE_BUSY`, or an extended code of it.
fn is_locked(error: &DbErr) -> bool {
    const SQLITE_BUSY: u32 = 5;
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

#[cfg(test)]
mod tests {
    use sea_orm_migration::MigrationTrait;
    use tokio::task::JoinSet;

    use super::*;

    struct Nothing;

    impl MigratorTrait for Nothing {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            Vec::new()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_fresh_file_can_be_opened_by_several_at_once() {
        for round in 0..20 {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}?mode=rwc", directory.path().join("fresh.db").display());
            let mut opening = JoinSet::new();
            for _ in 0..8 {
                let url = url.clone();
                opening.spawn(async move { Database::open::<Nothing>(&url, 1).await });
            }
            for opened in opening.join_all().await {
                let database = opened.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
                database.close().await.unwrap();
            }
        }
    }
}
