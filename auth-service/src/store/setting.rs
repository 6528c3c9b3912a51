//! `setting`: what must not drift between starts.

use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

use super::{Store, StoreError};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "setting")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    pub(crate) value: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// Puts another value in place of `old`, unless somebody else did.
pub(crate) async fn replace(store: &Store, name: &str, old: &str, new: &str) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Value, Expr::value(new))
        .filter(Column::Name.eq(name))
        .filter(Column::Value.eq(old))
        .exec(store.database.writer())
        .await?;
    Ok(())
}

/// The value kept under `name`, after keeping `value` there if there was none: of two that come at once, one wins.
pub(crate) async fn keep(store: &Store, name: &str, value: &str) -> Result<String, StoreError> {
    let row = ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    Entity::insert(row)
        .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
        .exec_without_returning(store.database.writer())
        .await?;
    let kept = Entity::find_by_id(name).one(store.database.writer()).await?;
    Ok(kept.map_or_else(|| value.to_owned(), |row| row.value))
}

/// The value kept under `name`.
pub(crate) async fn find(store: &Store, name: &str) -> Result<Option<String>, StoreError> {
    Ok(Entity::find_by_id(name).one(store.database.reader()).await?.map(|row| row.value))
}
