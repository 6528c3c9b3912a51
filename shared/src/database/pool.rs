//! How connections are made and kept: what each is told, and when one is not used again.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use sea_orm::{ConnectOptions, Database as SeaOrm, DatabaseConnection};
use sqlx::{
    Connection, PgConnection, SqliteConnection,
    sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::timeout;

use super::{DatabaseError, embedded_file};

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the write-ahead log grows, in pages of 4 KiB, before it is carried over into the file: a page that many commits
/// have changed is carried over once.
const WAL_PAGES: &str = "4000";
/// How much of the file a connection keeps in memory: 8 MiB (a negative number is KiB), taken as they are needed.
const CACHE: &str = "-8192";
/// How each connection to PostgreSQL is set up: nothing waits for ever, and what is acknowledged is on the disk.
const POSTGRES_SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "3s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("synchronous_commit", "on"),
];

/// Makes a directory that only its owner may look into, unless there is one.
pub fn make_private_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Makes the file for its owner alone, before SQLite would make it for everybody: what is beside it later, the write-ahead
/// log, gets the same mode. One that is there stays as it is; whatever goes wrong here, SQLite will tell better.
pub(super) fn make_private(url: &str) {
    if let Some(file) = embedded_file(url).filter(|_| !url.contains("mode=memory")) {
        let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    }
}

pub(super) async fn connect(options: ConnectOptions) -> Result<DatabaseConnection, DatabaseError> {
    SeaOrm::connect(options).await.map_err(DatabaseError::Unreachable)
}

pub(super) fn sqlite(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT + BUSY_TIMEOUT)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|options| {
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // NORMAL may lose the last acknowledged commits at a power cut: a revocation, a rotation.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("wal_autocheckpoint", WAL_PAGES)
                .pragma("cache_size", CACHE)
                .foreign_keys(true)
        })
        .map_sqlx_sqlite_pool_opts(|options| options.after_release(|connection, _| Box::pin(is_out(connection))));
    options
}

pub(super) fn postgres(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| options.options(POSTGRES_SETTINGS))
        // A request that was given up leaves a connection with an answer under way. If the server is frozen, or the network
        // swallows everything, that answer never comes, and the connection would keep its place in the pool for as long as
        // TCP has patience: a quarter of an hour after everything else is well again.
        .map_sqlx_postgres_pool_opts(|options| options.after_release(|connection, _| Box::pin(answers(connection))));
    options
}

/// Whether a connection is out of its last transaction; if not it is closed.
///
/// Where a disk is full, SQLite may end a transaction by itself, or refuse to end it. The driver's count is wrong from then
/// on: what it takes for a transaction is a savepoint in one that nobody commits, and everything that is acknowledged is lost
/// at the next crash.
async fn is_out(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // The rollback that dropping a transaction asks for may still be under way; this is answered behind it.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Whether what was asked on this connection is answered in time; an error closes it.
async fn answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match timeout(ACQUIRE_TIMEOUT, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}
