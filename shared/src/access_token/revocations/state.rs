//! What the follower of the status lists knows and everybody may read.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::StalePolicy;
use crate::access_token::{StatusReference, status_list::StatusList};

/// The most lists that are followed.
const MAX_LISTS: usize = 1024;

/// How many requests may wait for a list at a time.
const MAX_WAITING: usize = 256;

/// For how long a list that could not be fetched is not asked for again, and how many of them are known.
const FAILED: (Duration, u64) = (Duration::from_secs(15), 1024);

/// How often, at most, the log is told that tokens are accepted unchecked.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// How it stands with the issuer's status lists.
#[derive(Clone, Debug)]
pub struct RevocationsState {
    /// How many lists are followed.
    pub lists: usize,
    /// How long ago the oldest of them was confirmed; nothing if there is none.
    pub oldest: Option<Duration>,
    /// How old a list may be before the policy decides.
    pub max_stale: Duration,
    /// What happens then.
    pub policy: StalePolicy,
    /// Whether every list that is followed is young enough.
    pub fresh: bool,
    /// How many rounds were made.
    pub rounds: u64,
    /// How many of them failed.
    pub failed_rounds: u64,
    /// How many fetches failed.
    pub failures: u64,
    /// Why the last round failed; nothing if it succeeded.
    pub last_error: Option<String>,
    /// How many times a token was accepted although its status was not known.
    pub unchecked: u64,
}

/// What is known about a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The status there.
    Status(u8),
    /// Its list ends before it.
    NoPlace,
    /// Its list is too old to tell.
    StaleList,
    /// Its list is not there.
    NoList,
}

/// A list, verified.
pub(super) struct Held {
    /// The statuses.
    pub(super) list: Arc<StatusList>,
    /// The version of the document.
    pub(super) etag: Option<String>,
    /// When the issuer last confirmed it.
    pub(super) confirmed: Instant,
    /// How long it is used before it is fetched again.
    pub(super) ttl: Duration,
    /// When it was issued, in seconds since 1970: a list never goes back in time.
    pub(super) issued: i64,
    /// From when on it must not be relied upon, in seconds since 1970.
    pub(super) expires: Option<i64>,
}

/// What the follower knows and everybody may read.
pub(super) struct Shared {
    max_stale: Duration,
    lists: ArcSwap<HashMap<String, Arc<Held>>>,
    failed: Cache<String, ()>,
    asked: Mutex<HashSet<String>>,
    changes: watch::Sender<()>,
    waiting: Semaphore,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    rounds: u64,
    failed_rounds: u64,
    failures: u64,
    last_error: Option<String>,
    unchecked: u64,
    told: Option<Instant>,
}

/// A place in the bounded crowd of those who wait for a list.
pub(super) struct Waiting<'a> {
    changes: watch::Receiver<()>,
    _place: SemaphorePermit<'a>,
}

impl Waiting<'_> {
    /// Waits until a list came or could not be fetched.
    pub(super) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.changes.changed().await
    }
}

impl Shared {
    pub(super) fn new(max_stale: Duration) -> Self {
        Self {
            max_stale,
            lists: ArcSwap::default(),
            failed: Cache::builder().max_capacity(FAILED.1).time_to_live(FAILED.0).build(),
            asked: Mutex::default(),
            changes: watch::Sender::default(),
            waiting: Semaphore::new(MAX_WAITING),
            record: Mutex::default(),
        }
    }

    pub(super) const fn max_stale(&self) -> Duration {
        self.max_stale
    }

    /// The status at a place.
    pub(super) fn status(&self, reference: &StatusReference, now: i64) -> Known {
        let lists = self.lists.load();
        let Some(held) = lists.get(&reference.uri) else { return Known::NoList };
        if held.confirmed.elapsed() > self.max_stale || held.expires.is_some_and(|expires| expires <= now) {
            return Known::StaleList;
        }
        held.list.get(reference.idx).map_or(Known::NoPlace, Known::Status)
    }

    pub(super) fn get(&self, uri: &str) -> Option<Arc<Held>> {
        self.lists.load().get(uri).map(Arc::clone)
    }

    pub(super) fn holds(&self, uri: &str) -> bool {
        self.lists.load().contains_key(uri)
    }

    pub(super) fn failed_lately(&self, uri: &str) -> bool {
        self.failed.contains_key(uri)
    }

    /// The URIs of the lists and when each is due.
    pub(super) fn due(&self) -> Vec<(String, Instant)> {
        self.lists.load().iter().map(|(uri, held)| (uri.clone(), held.confirmed + held.ttl)).collect()
    }

    /// Keeps a list, unless there are too many.
    pub(super) fn hold(&self, uri: &str, held: Held) {
        let held = Arc::new(held);
        self.lists.rcu(|lists| {
            let mut lists = HashMap::clone(lists);
            if lists.len() < MAX_LISTS || lists.contains_key(uri) {
                lists.insert(uri.to_owned(), Arc::clone(&held));
            }
            lists
        });
        self.failed.invalidate(uri);
        self.changes.send_replace(());
    }

    /// Lets go of the lists of which this does not hold.
    pub(super) fn retain(&self, mut is_live: impl FnMut(&str) -> bool) {
        self.lists.rcu(|lists| {
            lists
                .iter()
                .filter(|(uri, _)| is_live(uri))
                .map(|(uri, held)| (uri.clone(), Arc::clone(held)))
                .collect::<HashMap<_, _>>()
        });
    }

    /// Notes that a list could not be fetched.
    pub(super) fn fail(&self, uri: &str) {
        self.failed.insert(uri.to_owned(), ());
        self.record().failures += 1;
        self.changes.send_replace(());
    }

    /// Notes that a list is needed, and says whether nobody has asked for it yet.
    pub(super) fn ask(&self, uri: &str) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(uri.to_owned())
    }

    /// Notes that whoever asked for a list has been answered, one way or the other.
    pub(super) fn answered(&self, uri: &str) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
        self.changes.send_replace(());
    }

    /// Notes how a round ended.
    pub(super) fn end(&self, error: Option<String>) {
        let mut record = self.record();
        record.rounds += 1;
        record.failed_rounds += u64::from(error.is_some());
        record.last_error = error;
    }

    /// Counts a token that was accepted unchecked, and says whether it is time to tell the log.
    pub(super) fn count_unchecked(&self) -> bool {
        let mut record = self.record();
        record.unchecked += 1;
        let is_time = record.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if is_time {
            record.told = Some(Instant::now());
        }
        is_time
    }

    /// A place among those who wait, unless all are taken.
    pub(super) fn wait(&self) -> Option<Waiting<'_>> {
        let place = self.waiting.try_acquire().ok()?;
        Some(Waiting { changes: self.changes.subscribe(), _place: place })
    }

    pub(super) fn state(&self, policy: StalePolicy) -> RevocationsState {
        let lists = self.lists.load();
        let oldest = lists.values().map(|held| held.confirmed.elapsed()).max();
        let record = self.record();
        RevocationsState {
            lists: lists.len(),
            oldest,
            max_stale: self.max_stale,
            policy,
            fresh: oldest.is_none_or(|oldest| oldest <= self.max_stale),
            rounds: record.rounds,
            failed_rounds: record.failed_rounds,
            failures: record.failures,
            last_error: record.last_error.clone(),
            unchecked: record.unchecked,
        }
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
