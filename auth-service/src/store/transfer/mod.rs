//! A whole deployment on its way from one database to another: every row as it is, sealed and hashed as it was.

mod table;

use std::io;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, IsolationLevel, TransactionTrait,
    sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr},
};
use sea_orm_migration::MigratorTrait;
use serde_json::Value as Json;

use self::table::Table;
use super::{AuditEvent, Store, StoreError, audit_event, migration::Migrator};

/// How many rows are in memory at a time, and in one statement.
const PAGE: u64 = 500;

/// Some rows of a table; a table comes as one page or several, and pages come in an order in which they can be put back.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Json>>,
}

/// Why a deployment could not be moved. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("the database is not empty: the table `{0}` has rows; a deployment is only put into a new database")]
    NotEmpty(String),
    #[error("there is no table `{0}`, or it has other columns")]
    UnknownTable(String),
    #[error("a value of `{table}` does not fit the column `{column}`")]
    Value { table: String, column: String },
}

impl From<sea_orm::DbErr> for TransferError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// The steps of the schema that this version knows: rows can only be read by a version that knows the same.
pub(crate) fn schema() -> Vec<String> {
    Migrator::migrations().iter().map(|step| step.name().to_owned()).collect()
}

impl Store {
    /// Hands over every row, as they all are at one moment, while others go on writing.
    pub(crate) async fn export(&self, mut write: impl FnMut(Page) -> io::Result<()> + Send) -> Result<(), TransferError> {
        let is_postgresql = self.database.reader().get_database_backend() == DbBackend::Postgres;
        let snapshot = if is_postgresql {
            let (isolation, access) = (Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly));
            self.database.reader().begin_with_config(isolation, access).await?
        } else {
            self.database.reader().begin().await?
        };
        take_time(&snapshot).await?;
        for table in table::all() {
            let mut after: Option<Vec<SimpleExpr>> = None;
            loop {
                let rows = snapshot.query_all(&select(&table, after.take())).await?;
                let Some(last) = rows.last() else { break };
                after = Some(table.key_of(last)?);
                let is_last = (rows.len() as u64) < PAGE;
                let rows = rows.iter().map(|row| table.read(row)).collect::<Result<_, _>>()?;
                write(Page { table: table.name.clone(), columns: table.column_names(), rows })?;
                if is_last {
                    break;
                }
            }
        }
        snapshot.rollback().await?;
        Ok(())
    }

    /// Puts every page that is handed over into a database that has none, and records it, all of it or nothing.
    pub(crate) async fn import(
        &self,
        mut read: impl FnMut() -> io::Result<Option<Page>> + Send,
        event: AuditEvent,
    ) -> Result<(), TransferError> {
        let transaction = self.database.begin().await?;
        take_time(&transaction).await?;
        let tables = table::all();
        demand_empty(&transaction, &tables).await?;
        while let Some(page) = read()? {
            let table = tables.iter().find(|table| table.name == page.table && table.column_names() == page.columns);
            let table = table.ok_or_else(|| TransferError::UnknownTable(page.table.clone()))?;
            for rows in page.rows.chunks(usize::try_from(PAGE).expect("a page is small")) {
                let mut insert = Query::insert().into_table(Alias::new(&*table.name)).take();
                insert.columns(page.columns.iter().map(Alias::new));
                for row in rows {
                    let misfit = |column| TransferError::Value { table: page.table.clone(), column };
                    insert
                        .values(table.write(row).map_err(misfit)?)
                        .map_err(|_| TransferError::UnknownTable(page.table.clone()))?;
                }
                transaction.execute(&insert).await?;
            }
        }
        audit_event::insert(&transaction, event).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Moving a deployment may take longer than any request.
async fn take_time(transaction: &DatabaseTransaction) -> Result<(), TransferError> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        for setting in ["statement_timeout", "idle_in_transaction_session_timeout"] {
            transaction.execute_unprepared(&format!("SET LOCAL {setting} = 0")).await?;
        }
    }
    Ok(())
}

/// What the schema itself begins with, the start of the audit chain, is all there may be; that goes.
async fn demand_empty(transaction: &DatabaseTransaction, tables: &[Table]) -> Result<(), TransferError> {
    const CHAIN: &str = "audit_chain";
    for table in tables {
        let mut any = Query::select().expr(Expr::val(1)).from(Alias::new(&*table.name)).limit(1).take();
        if table.name == CHAIN {
            any.and_where(Expr::col(Alias::new("seq")).gt(0));
        }
        if transaction.query_one(&any).await?.is_some() {
            return Err(TransferError::NotEmpty(table.name.clone()));
        }
    }
    transaction.execute(&Query::delete().from_table(Alias::new(CHAIN)).take()).await?;
    Ok(())
}

/// The next page of a table, in the order of its key.
fn select(table: &Table, after: Option<Vec<SimpleExpr>>) -> SelectStatement {
    let mut select = Query::select().from(Alias::new(&*table.name)).limit(PAGE).take();
    select.columns(table.column_names().into_iter().map(Alias::new));
    for column in &table.key {
        select.order_by(Alias::new(&**column), Order::Asc);
    }
    if let Some(after) = after {
        let key = table.key.iter().map(|column| Expr::col(Alias::new(&**column)));
        select.and_where(Expr::tuple(key).gt(Expr::tuple(after)));
    }
    select
}
