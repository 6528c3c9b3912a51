//! How what is kept in memory stays exact while others change it in the database.
//!
//! Whoever changes it puts a fresh mark beside it, in the transaction of the change. What is in memory was read under a mark,
//! and is dropped as soon as another one is seen. This process looks at once after a change of its own; otherwise it looks
//! when somebody asks and the last look is older than [`RECENT`]. If it cannot look, nothing in memory counts.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use sea_orm::{ActiveValue::Set, ConnectionTrait, entity::prelude::*, sea_query::OnConflict};

use super::{Store, StoreError, setting};
use crate::id;

/// Within this time a change by another process is seen, another replica or the command line.
const RECENT: Duration = Duration::from_millis(250);
/// What is kept longer is read again, mark or not: somebody may have changed the tables by hand.
const LONGEST: Duration = Duration::from_mins(1);

/// Something that is kept in memory.
#[derive(Debug)]
pub(super) struct Followed<T> {
    /// The row of `setting` with the mark.
    name: &'static str,
    kept: ArcSwap<Kept<T>>,
    looks: Mutex<Looks>,
    /// Those who find the last look too old wait for one together.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Kept<T> {
    mark: Option<String>,
    since: Instant,
    content: Arc<T>,
}

#[derive(Debug, Default)]
struct Looks {
    /// When the last one began.
    last: Option<Instant>,
    /// When the last one failed: it was everybody's who waited for it.
    failed: Option<Instant>,
    /// How often this process has made a change: a look that was under way meanwhile has seen too little.
    changes: u64,
}

impl<T: Default> Followed<T> {
    pub(super) fn new(name: &'static str) -> Self {
        let kept = ArcSwap::from_pointee(Kept { mark: None, since: Instant::now(), content: Arc::default() });
        Self { name, kept, looks: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// What is kept, as it was a moment ago at the most, and with every change that this process has made.
    pub(super) async fn recent(&self, store: &Store) -> Result<Arc<T>, StoreError> {
        if self.is_recent() {
            return Ok(self.content());
        }
        let asked = Instant::now();
        let _turn = self.turn.lock().await;
        if self.is_recent() {
            return Ok(self.content());
        }
        if self.looks().failed.is_some_and(|failed| failed >= asked) {
            return Err(DbErr::Custom("the database has just not answered".to_owned()).into());
        }
        let (began, changes) = (Instant::now(), self.looks().changes);
        // What is kept is in place before the look counts: others ask without waiting for their turn.
        let looked = setting::find(store, self.name).await.map(|mark| self.under(mark));
        let mut looks = self.looks();
        looks.failed = looked.is_err().then(Instant::now);
        if looked.is_ok() && looks.changes == changes {
            looks.last = Some(began);
        }
        looked
    }

    /// What is kept, as it is now.
    pub(super) async fn now(&self, store: &Store) -> Result<Arc<T>, StoreError> {
        Ok(self.under(setting::find(store, self.name).await?))
    }

    /// What is kept under a mark that was read just now: nothing yet, if it is a new one.
    pub(super) fn under(&self, mark: Option<String>) -> Arc<T> {
        let kept = self.kept.load();
        if kept.mark == mark && kept.since.elapsed() < LONGEST {
            return Arc::clone(&kept.content);
        }
        let content = Arc::default();
        self.kept.store(Arc::new(Kept { mark, since: Instant::now(), content: Arc::clone(&content) }));
        content
    }

    /// Puts a fresh mark, within the transaction of a change. A counter would do, but for a database that is put back from a
    /// backup: it would count the same numbers again.
    pub(super) async fn mark(&self, connection: &impl ConnectionTrait) -> Result<(), StoreError> {
        let row = setting::ActiveModel { name: Set(self.name.to_owned()), value: Set(id::mark()) };
        setting::Entity::insert(row)
            .on_conflict(OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned())
            .exec_without_returning(connection)
            .await?;
        Ok(())
    }

    /// The change is committed: from here on everybody in this process sees it.
    pub(super) fn changed(&self) {
        let mut looks = self.looks();
        looks.changes += 1;
        looks.last = None;
    }

    fn is_recent(&self) -> bool {
        self.looks().last.is_some_and(|last| last.elapsed() < RECENT)
    }

    fn content(&self) -> Arc<T> {
        Arc::clone(&self.kept.load().content)
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
