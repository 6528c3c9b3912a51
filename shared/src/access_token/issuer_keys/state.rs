//! What the follower knows and everybody may read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use moka::sync::Cache;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use super::IssuerMetadata;
use crate::access_token::KeySet;

/// How many requests may wait for the issuer at a time. Who is turned away is told to ask again, not that the token is bad.
const MAX_WAITING: usize = 256;

/// How many key IDs are known to be absent, and for how long that is taken for granted: not long, for an issuer of
/// several replicas may sign with a key a moment before all of them publish it.
const ABSENT: (u64, Duration) = (128, Duration::from_secs(10));

/// How it stands with the issuer's keys.
#[derive(Clone, Debug)]
pub struct KeysState {
    /// Whether there are keys that may be trusted now.
    pub usable: bool,
    /// The IDs of the keys, sorted.
    pub key_ids: Vec<String>,
    /// How long ago the issuer confirmed them; nothing if it never did.
    pub age: Option<Duration>,
    /// When they stop to count, unless the issuer confirms them again.
    pub max_stale: Duration,
    /// How many times they were asked for.
    pub attempts: u64,
    /// How many times that failed.
    pub failures: u64,
    /// Why the last attempt failed; nothing if it succeeded.
    pub last_error: Option<String>,
}

/// A key set and how sure we are of it.
pub(super) struct Held {
    /// The keys.
    pub(super) keys: Arc<KeySet>,
    /// The document they came in.
    pub(super) jwks: Arc<str>,
    /// Its version.
    pub(super) etag: Option<String>,
    /// When we took it, by our own steady clock.
    pub(super) taken: Instant,
    /// How old the issuer's word on it was then: more than nothing when it was kept on disk.
    pub(super) age_when_taken: Duration,
}

impl Held {
    fn age(&self) -> Duration {
        self.age_when_taken.saturating_add(self.taken.elapsed())
    }
}

/// How many attempts were begun and ended.
#[derive(Clone, Copy, Default)]
pub(super) struct Attempts {
    begun: u64,
    pub(super) ended: u64,
    pub(super) last_succeeded: bool,
}

/// A place in the bounded crowd of those who wait.
pub(super) struct Waiting<'a> {
    pub(super) attempts_made: watch::Receiver<Attempts>,
    _place: SemaphorePermit<'a>,
}

/// What the follower knows and everybody may read.
pub(super) struct Shared {
    issuer: String,
    max_stale: Duration,
    held: ArcSwapOption<Held>,
    metadata: ArcSwapOption<IssuerMetadata>,
    attempts: watch::Sender<Attempts>,
    trouble: Mutex<Trouble>,
    asked: Notify,
    waiting: Semaphore,
    absent: Cache<String, ()>,
}

#[derive(Default)]
struct Trouble {
    failures: u64,
    last_error: Option<String>,
}

impl Shared {
    pub(super) fn new(issuer: String, max_stale: Duration) -> Self {
        Self {
            issuer,
            max_stale,
            held: ArcSwapOption::empty(),
            metadata: ArcSwapOption::empty(),
            attempts: watch::Sender::default(),
            trouble: Mutex::default(),
            asked: Notify::new(),
            waiting: Semaphore::new(MAX_WAITING),
            absent: Cache::builder().max_capacity(ABSENT.0).time_to_live(ABSENT.1).build(),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) const fn max_stale(&self) -> Duration {
        self.max_stale
    }

    pub(super) fn metadata(&self) -> Option<Arc<IssuerMetadata>> {
        self.metadata.load_full()
    }

    pub(super) fn set_metadata(&self, metadata: IssuerMetadata) {
        self.metadata.store(Some(Arc::new(metadata)));
    }

    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.held.load_full()
    }

    pub(super) fn hold(&self, held: Held) {
        self.held.store(Some(Arc::new(held)));
    }

    /// The keys, if the issuer's word on them still counts.
    pub(super) fn usable(&self) -> Option<Arc<KeySet>> {
        let held = self.held.load();
        held.as_ref().filter(|held| held.age() <= self.max_stale).map(|held| Arc::clone(&held.keys))
    }

    pub(super) fn has_tried(&self) -> bool {
        self.attempts.borrow().ended > 0
    }

    /// Asks for a refresh, and says after how many attempts its outcome is known.
    pub(super) fn ask(&self) -> u64 {
        let attempt = self.attempts.borrow().begun + 1;
        self.asked.notify_one();
        attempt
    }

    /// Waits until somebody asks for a refresh.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// A place among those who wait, unless all are taken.
    pub(super) fn wait(&self) -> Option<Waiting<'_>> {
        let place = self.waiting.try_acquire().ok()?;
        Some(Waiting { attempts_made: self.attempts.subscribe(), _place: place })
    }

    pub(super) fn begin(&self) {
        self.attempts.send_modify(|attempts| attempts.begun += 1);
    }

    /// Notes how an attempt ended, and tells whoever waits.
    pub(super) fn end(&self, error: Option<String>) {
        let succeeded = error.is_none();
        {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.failures += u64::from(!succeeded);
            trouble.last_error = error;
        }
        self.attempts.send_modify(|attempts| {
            attempts.ended = attempts.begun;
            attempts.last_succeeded = succeeded;
        });
    }

    pub(super) fn is_known_absent(&self, id: &str) -> bool {
        self.absent.contains_key(id)
    }

    pub(super) fn note_absent(&self, id: &str) {
        self.absent.insert(id.to_owned(), ());
    }

    pub(super) fn state(&self) -> KeysState {
        let held = self.held();
        let mut key_ids: Vec<_> = held.iter().flat_map(|held| held.keys.ids()).map(str::to_owned).collect();
        key_ids.sort_unstable();
        let age = held.map(|held| held.age());
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        KeysState {
            usable: age.is_some_and(|age| age <= self.max_stale),
            key_ids,
            age,
            max_stale: self.max_stale,
            attempts: self.attempts.borrow().ended,
            failures: trouble.failures,
            last_error: trouble.last_error.clone(),
        }
    }
}
