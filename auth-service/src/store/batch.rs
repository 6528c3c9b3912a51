//! What has ended is forgotten a batch at a time, so that nobody waits long for the writer, and no statement takes longer than
//! the database lets it.

use sea_orm::{Condition, QueryOrder, QuerySelect, entity::prelude::*, sea_query::IntoCondition};

use super::{Store, StoreError};

/// Rows that are to be forgotten, by their keys.
pub(super) struct Batch<E: EntityTrait> {
    key: E::Column,
    keys: Vec<String>,
    ended: Condition,
    is_full: bool,
}

impl<E: EntityTrait> Batch<E> {
    /// Chooses rows that have ended, no more than `most`.
    pub(super) async fn choose(store: &Store, key: E::Column, ended: impl IntoCondition, most: u64) -> Result<Self, StoreError> {
        let ended = ended.into_condition();
        let chosen = E::find().select_only().column(key).filter(ended.clone()).limit(most);
        let keys: Vec<String> = chosen.into_tuple().all(store.database.writer()).await?;
        Ok(Self { key, is_full: keys.len() as u64 >= most, keys, ended })
    }

    /// Which they are.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Forgets those that have still ended; says whether there may be more.
    pub(super) async fn forget(self, store: &Store) -> Result<bool, StoreError> {
        E::delete_many().filter(self.key.is_in(self.keys)).filter(self.ended).exec(store.database.writer()).await?;
        Ok(self.is_full)
    }
}

/// Forgets the earliest of the rows from before `end`, about `most`; says whether there may be more.
pub(super) async fn forget_earliest<E: EntityTrait>(
    store: &Store,
    at: E::Column,
    end: i64,
    most: u64,
) -> Result<bool, StoreError> {
    let writer = store.database.writer();
    let earliest = E::find().select_only().column(at).filter(at.lt(end)).order_by_asc(at);
    let behind: Option<i64> = earliest.offset(most).limit(1).into_tuple().one(writer).await?;
    // Up to and with that instant, or the batch might be empty.
    let until = behind.map_or(end, |behind| behind + 1);
    E::delete_many().filter(at.lt(until)).exec(writer).await?;
    Ok(behind.is_some())
}
