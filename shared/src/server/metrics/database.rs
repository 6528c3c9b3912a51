//! How busy the connections to the database are.

use super::Metrics;
use crate::database::Database;

impl Metrics {
    /// Publishes the pools of a database, and how long transactions wait to begin.
    pub fn publish_database(&self, database: &Database) {
        self.register(|registry| {
            registry.register(
                "database_begin_seconds",
                "How long transactions waited to begin: for a connection, and on SQLite for the one writer before them",
                database.waits().clone(),
            );
        });
        let database = database.clone();
        self.read(move |snapshot| {
            let pools = database.pools();
            let values =
                |value: fn(&crate::database::PoolState) -> u32| pools.iter().map(move |pool| (pool.name, value(pool).into()));
            snapshot.gauges("database_pool_connections", "Connections open", "pool", values(|pool| pool.open))?;
            snapshot.gauges(
                "database_pool_connections_idle",
                "Connections that nobody uses",
                "pool",
                values(|pool| pool.idle),
            )?;
            snapshot.gauges(
                "database_pool_connections_in_use",
                "Connections in use",
                "pool",
                values(|pool| pool.open - pool.idle),
            )?;
            snapshot.gauges("database_pool_connections_max", "Connections there may be", "pool", values(|pool| pool.most))
        });
    }
}
