//! The table of documents.

use sea_orm::{
    ActiveValue::Set, ExprTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, entity::prelude::*,
};
use shared::database::Database;

use super::StoreError;

/// A document as it is kept; times are seconds since 1970.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub id: String,
    #[sea_orm(column_type = "Text")]
    pub owner: String,
    #[sea_orm(column_type = "Text")]
    pub title: String,
    #[sea_orm(column_type = "Text")]
    pub content: String,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// A document without its content, as a list shows it.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Summary {
    pub id: String,
    pub owner: String,
    pub title: String,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// What a replacement brings.
#[derive(Debug)]
pub(crate) struct Replacement {
    pub title: String,
    pub content: String,
    pub updated_at: i64,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insertion {
    /// It is kept.
    Inserted,
    /// The owner has as many documents as they may.
    Full,
}

/// Keeps a document, unless its owner already has `limit` of them.
///
/// On `PostgreSQL` two insertions at the same moment may both find room: the limit is there against floods, and one
/// document too many is cheaper than a lock.
#[tracing::instrument(target = "trace", name = "db document.insert", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn insert(db: &Database, document: Model, limit: u64) -> Result<Insertion, StoreError> {
    let transaction = db.begin().await?;
    let kept = Entity::find().filter(COLUMN.owner.eq(&document.owner)).count(&transaction).await?;
    if kept >= limit {
        return Ok(Insertion::Full);
    }
    Entity::insert(ActiveModel::from(document)).exec_without_returning(&transaction).await?;
    transaction.commit().await?;
    Ok(Insertion::Inserted)
}

/// One document, whoever owns it.
#[tracing::instrument(target = "trace", name = "db document.find", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn find(db: &Database, id: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(id).one(db.reader()).await?)
}

/// The newest documents of one owner or of all, no more than `limit`, continuing behind the document `after`.
#[tracing::instrument(target = "trace", name = "db document.list", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn list(
    db: &Database,
    owner: Option<&str>,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Summary>, StoreError> {
    let mut query = Entity::find().select_only().columns([
        Column::Id,
        Column::Owner,
        Column::Title,
        Column::Version,
        Column::CreatedAt,
        Column::UpdatedAt,
    ]);
    if let Some(owner) = owner {
        query = query.filter(COLUMN.owner.eq(owner));
    }
    if let Some(after) = after {
        query = query.filter(COLUMN.id.lt(after));
    }
    Ok(query.order_by_desc(COLUMN.id).limit(limit).into_model().all(db.reader()).await?)
}

/// Replaces what a document says, if it still has this version; `None` means whichever it has.
///
/// Answers the document as it is now, or nothing when there is none in that version.
#[tracing::instrument(target = "trace", name = "db document.replace", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn replace(
    db: &Database,
    id: &str,
    version: Option<i64>,
    replacement: Replacement,
) -> Result<Option<Model>, StoreError> {
    let mut query = Entity::update_many()
        .set(ActiveModel {
            title: Set(replacement.title),
            content: Set(replacement.content),
            updated_at: Set(replacement.updated_at),
            ..Default::default()
        })
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(COLUMN.id.eq(id));
    if let Some(version) = version {
        query = query.filter(COLUMN.version.eq(version));
    }
    Ok(query.exec_with_returning(db.writer()).await?.pop())
}

/// Forgets a document, if it still has this version; `None` means whichever it has. Answers whether it did.
#[tracing::instrument(target = "trace", name = "db document.delete", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn delete(db: &Database, id: &str, version: Option<i64>) -> Result<bool, StoreError> {
    let mut query = Entity::delete_many().filter(COLUMN.id.eq(id));
    if let Some(version) = version {
        query = query.filter(COLUMN.version.eq(version));
    }
    Ok(query.exec(db.writer()).await?.rows_affected == 1)
}
