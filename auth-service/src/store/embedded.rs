//! The database as a whole: what state it is in, and the embedded one's file.

use std::path::Path;

use sea_orm::{
    ActiveValue::Set, ConnectOptions, ConnectionTrait, Database as SeaOrm, DbBackend, ExprTrait, QuerySelect, Statement,
    entity::prelude::*,
};
use sea_orm_migration::MigratorTrait;
use shared::database::{Database, DatabaseError};

use super::{
    AuditEvent, Store, StoreError, audit_event, client,
    migration::Migrator,
    session,
    status_list::{self, BLOCKS, status_block},
    user,
};

/// How many rows one statement inserts: databases bound the parameters of a statement.
const BATCH: usize = 200;

/// What a look at the database tells.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// `SQLite 3.50.4` or what PostgreSQL says of itself.
    pub(crate) version: String,
    /// What is damaged, if anything.
    pub(crate) damage: Option<String>,
    /// Its clock, in seconds since 1970.
    pub(crate) now: i64,
    /// Steps of the schema that are still to be taken.
    pub(crate) pending: Vec<String>,
    /// Steps that this version does not know.
    pub(crate) unknown: Vec<String>,
}

/// The URL of an embedded database that is there.
pub(crate) fn url_of(path: &Path) -> String {
    format!("sqlite:{}?mode=rw", path.display().to_string().replace('%', "%25").replace('?', "%3F"))
}

/// Whether nobody else holds the embedded database; if so, everything that was in its write-ahead log is in the file
/// afterwards.
pub(crate) async fn is_free(path: &Path) -> Result<bool, StoreError> {
    let mut options = ConnectOptions::new(url_of(path));
    options.max_connections(1).sqlx_logging(false);
    let connection = SeaOrm::connect(options).await?;
    // Leaving the write-ahead log takes the file for oneself, which fails while anybody else has it open.
    let left = connection.query_one_raw(sqlite("PRAGMA journal_mode = DELETE")).await;
    let is_free = match &left {
        Ok(Some(row)) => row.try_get::<String>("", "journal_mode").is_ok_and(|mode| mode == "delete"),
        Ok(None) | Err(_) => false,
    };
    connection.close().await?;
    Ok(is_free)
}

fn sqlite(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, sql)
}

impl Store {
    /// Connects and leaves the schema as it is.
    pub(crate) async fn connect(url: &str) -> Result<Self, DatabaseError> {
        Ok(Self::on(Database::connect(url, 2).await?))
    }

    /// Looks at the database.
    pub(crate) async fn condition(&self) -> Result<Condition, StoreError> {
        let reader = self.database.reader();
        let backend = reader.get_database_backend();
        let text = async |sql: &str| -> Result<String, StoreError> {
            let row = reader.query_one_raw(Statement::from_string(backend, sql)).await?;
            Ok(row.map(|row| row.try_get("", "text")).transpose()?.unwrap_or_default())
        };
        let (version, damage, now) = if backend == DbBackend::Sqlite {
            let integrity: Vec<String> = reader
                .query_all_raw(sqlite("SELECT integrity_check AS text FROM pragma_integrity_check"))
                .await?
                .iter()
                .map(|row| row.try_get("", "text"))
                .collect::<Result<_, _>>()?;
            let damage = (integrity != ["ok"]).then(|| integrity.join("; "));
            (format!("SQLite {}", text("SELECT sqlite_version() AS text").await?), damage, "SELECT strftime('%s', 'now') AS text")
        } else {
            (
                text("SELECT version() AS text").await?,
                None,
                "SELECT CAST(CAST(EXTRACT(EPOCH FROM now()) AS bigint) AS text) AS text",
            )
        };
        let now = text(now).await?.parse().unwrap_or_default();
        let known = Migrator::migrations();
        let applied = Migrator::get_migration_models(reader).await.unwrap_or_default();
        let is_applied = |name: &str| applied.iter().any(|row| row.version == name);
        let pending = known.iter().map(|step| step.name().to_owned()).filter(|name| !is_applied(name)).collect();
        let is_known = |name: &str| known.iter().any(|step| step.name() == name);
        let unknown = applied.iter().map(|row| row.version.clone()).filter(|name| !is_known(name)).collect();
        Ok(Condition { version, damage, now, pending, unknown })
    }

    /// Writes a consistent copy into an empty file, while others go on writing.
    pub(crate) async fn copy_into(&self, path: &Path) -> Result<(), StoreError> {
        let quoted = path.display().to_string().replace('\'', "''");
        self.database.reader().execute_unprepared(&format!("VACUUM INTO '{quoted}'")).await?;
        Ok(())
    }

    /// Ends every session and revokes every access token that may be alive: what was revoked after a backup was made is
    /// alive in it. No place that may have been handed out since is handed out again.
    pub(crate) async fn end_everything(&self, now: i64, event: AuditEvent) -> Result<(), StoreError> {
        let transaction = self.database.begin().await?;
        user::Entity::update_many()
            .col_expr(user::Column::Generation, Expr::col(user::Column::Generation).add(1))
            .filter(user::Column::Generation.gte(0))
            .exec(&transaction)
            .await?;
        client::Entity::update_many()
            .col_expr(client::Column::Generation, Expr::col(client::Column::Generation).add(1))
            .filter(client::Column::Generation.gte(0))
            .exec(&transaction)
            .await?;
        session::Entity::update_many()
            .col_expr(session::Column::EndedAt, Expr::value(now))
            .col_expr(session::Column::EndedWhy, Expr::value(session::Ended::Revoked))
            .filter(session::Column::EndedAt.is_null())
            .exec(&transaction)
            .await?;
        status_block::Entity::update_many()
            .col_expr(status_block::Column::RevokedAt, Expr::value(now))
            .filter(status_block::Column::RevokedAt.is_null())
            .exec(&transaction)
            .await?;
        for list in status_list::Entity::find().filter(status_list::Column::ExpiresAt.gt(now)).all(&transaction).await? {
            let leased: Vec<i32> = status_block::Entity::find()
                .select_only()
                .column(status_block::Column::Block)
                .filter(status_block::Column::ListId.eq(&list.id))
                .into_tuple()
                .all(&transaction)
                .await?;
            let rest: Vec<_> = (0..BLOCKS)
                .filter(|block| !leased.contains(block))
                .map(|block| status_block::ActiveModel {
                    list_id: Set(list.id.clone()),
                    block: Set(block),
                    client_id: Set("restored".to_owned()),
                    revoked_at: Set(Some(now)),
                })
                .collect();
            for rows in rest.chunks(BATCH) {
                status_block::Entity::insert_many(rows.to_vec()).exec_without_returning(&transaction).await?;
            }
        }
        status_list::Entity::update_many()
            .col_expr(status_list::Column::Revision, Expr::col(status_list::Column::Revision).add(1))
            .col_expr(status_list::Column::Leased, Expr::value(BLOCKS))
            .filter(status_list::Column::ExpiresAt.gt(now))
            .exec(&transaction)
            .await?;
        audit_event::insert(&transaction, event).await?;
        self.known.mark(&transaction).await?;
        transaction.commit().await?;
        self.known.changed();
        Ok(())
    }
}
