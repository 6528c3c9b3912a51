//! Turns: work that every replica could do, and one of them does. They are kept in `setting`, as the instant of the last.

use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

use super::{
    Store, StoreError,
    setting::{ActiveModel, Column, Entity},
};

/// Takes the turn at some work; false if somebody has taken it within the last `period` seconds, or just now.
///
/// A clock that was ahead does not stop the work for as long as it was: a turn of the future counts as none.
pub(crate) async fn take(store: &Store, work: &str, now: i64, period: i64) -> Result<bool, StoreError> {
    let name = format!("turn_{work}");
    let last = Entity::find_by_id(&*name).one(store.database.reader()).await?.map(|row| row.value);
    let Some(last) = last else {
        let row = ActiveModel { name: Set(name), value: Set(now.to_string()) };
        let inserted = Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
            .exec_without_returning(store.database.writer())
            .await?;
        return Ok(inserted == 1);
    };
    if last.parse::<i64>().is_ok_and(|last| last <= now && now < last + period) {
        return Ok(false);
    }
    let taken = Entity::update_many()
        .col_expr(Column::Value, Expr::value(now.to_string()))
        .filter(Column::Name.eq(name))
        .filter(Column::Value.eq(last))
        .exec(store.database.writer())
        .await?;
    Ok(taken.rows_affected == 1)
}
