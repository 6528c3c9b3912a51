//! The status lists as they are published (draft-ietf-oauth-status-list §5): signed, and served from memory.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::{Value, json};
use shared::access_token::{
    StatusReference,
    status_list::{StatusList, VALID},
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

use super::places::{PLACES, Places, gathered, scattered};
use crate::{
    clock, secret,
    signing_key::KeyRing,
    store::{
        Store, StoreError,
        status_list::{self, BLOCK, Model as List, Place, Revoked},
    },
};

/// The `typ` of a signed list.
const TYPE: &str = "statuslist+jwt";
/// One bit says whether a token is revoked.
const BITS: u8 = 1;
const REVOKED: u8 = 1;
/// How long a signed list stands; it is signed anew after half of that, as soon as it changes, and when another key signs:
/// the old one may have been revoked.
const VALIDITY: i64 = 300;
/// The database is asked for changes this often at most.
const RECHECK: Duration = Duration::from_secs(1);

/// A signed list, ready to be sent.
pub(crate) struct Signed {
    pub(crate) token: String,
    /// A strong entity tag, quotes included.
    pub(crate) etag: String,
    statuses: Arc<StatusList>,
    key_id: String,
    revision: i64,
    made_at: i64,
    expires_at: i64,
}

/// Publishes the lists.
#[derive(Clone)]
pub(crate) struct StatusLists {
    store: Store,
    ring: Arc<KeyRing>,
    places: Places,
    /// How long a verifier may rely on its copy.
    pub(crate) ttl: Duration,
    live: Arc<Mutex<Live>>,
    /// The same lists for this service's own guard, by URL.
    statuses: Arc<ArcSwap<HashMap<String, Arc<StatusList>>>>,
}

#[derive(Default)]
struct Live {
    asked: Option<Instant>,
    lists: HashMap<String, Arc<Signed>>,
}

/// The claims of a signed list (draft §5.1).
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: i64,
    exp: i64,
    ttl: u64,
    status_list: Value,
}

impl StatusLists {
    pub(crate) fn new(store: Store, ring: Arc<KeyRing>, places: Places, ttl: Duration) -> Self {
        Self { store, ring, places, ttl, live: Arc::default(), statuses: Arc::default() }
    }

    /// A list as it is published, or none if it has no living token.
    pub(crate) async fn signed(&self, list_id: &str) -> Result<Option<Arc<Signed>>, StoreError> {
        let arrived = Instant::now();
        if let Some(signed) = self.refreshed().await?.lists.get(list_id) {
            return Ok(Some(Arc::clone(signed)));
        }
        // It may have been opened since, here or by another replica, and a verifier may be waiting for it with a token.
        Ok(self.refreshed_since(Some(arrived)).await?.lists.get(list_id).cloned())
    }

    /// Where the lists with living tokens are published.
    pub(crate) async fn urls(&self) -> Result<Vec<String>, StoreError> {
        let mut urls: Vec<_> = self.refreshed().await?.lists.keys().map(|id| self.places.url(id)).collect();
        urls.sort_unstable();
        Ok(urls)
    }

    /// Takes up at once what was revoked just now.
    pub(crate) async fn changed(&self) {
        self.live.lock().await.asked = None;
        self.follow().await;
    }

    /// Takes up what has been revoked since the last time.
    pub(crate) async fn follow(&self) {
        if let Err(error) = self.refreshed().await.map(drop) {
            tracing::warn!(error = &error as &dyn std::error::Error, "The status lists cannot be read");
        }
    }

    /// The status at a place of one of our own lists, from memory. One that was opened a moment ago is not there yet; that
    /// is no reason to refuse a token of ours.
    pub(crate) fn status(&self, reference: &StatusReference) -> Option<u8> {
        match self.statuses.load().get(&reference.uri) {
            Some(statuses) => statuses.get(reference.idx),
            None => Some(VALID),
        }
    }

    /// Whether a place is revoked, asked of the database itself.
    pub(crate) async fn is_revoked(&self, place: &Place, now: i64) -> Result<bool, StoreError> {
        let lists = status_list::live(&self.store, now).await?;
        let Some(list) = lists.iter().find(|list| list.id == place.list_id) else { return Ok(true) };
        status_list::is_revoked(&self.store, place, gathered(&list.seed, place.place) / BLOCK).await
    }

    /// One caller asks the database, the others wait for the answer; within [`RECHECK`] nobody does.
    async fn refreshed(&self) -> Result<MutexGuard<'_, Live>, StoreError> {
        self.refreshed_since(None).await
    }

    /// The same, but what was asked before this instant is not young enough.
    async fn refreshed_since(&self, earliest: Option<Instant>) -> Result<MutexGuard<'_, Live>, StoreError> {
        let mut live = self.live.lock().await;
        let is_young = |asked: Instant| asked.elapsed() < RECHECK && earliest.is_none_or(|earliest| earliest <= asked);
        if live.asked.is_some_and(is_young) {
            return Ok(live);
        }
        let asked = Instant::now();
        let now = clock::now();
        match self.read(&live.lists, now).await {
            Ok(lists) => {
                let statuses = lists.iter().map(|(id, signed)| (self.places.url(id), Arc::clone(&signed.statuses)));
                self.statuses.store(Arc::new(statuses.collect()));
                live.lists = lists;
            }
            // What stands already stands until it expires; a verifier decides by its age what to think of it.
            Err(error) => {
                live.lists.retain(|_, signed| signed.expires_at > now);
                if live.lists.is_empty() {
                    return Err(error);
                }
                tracing::warn!(error = &error as &dyn std::error::Error, "The status lists cannot be brought up to date");
            }
        }
        live.asked = Some(asked);
        Ok(live)
    }

    async fn read(&self, known: &HashMap<String, Arc<Signed>>, now: i64) -> Result<HashMap<String, Arc<Signed>>, StoreError> {
        let mut lists = HashMap::new();
        let key_id = self.ring.key_id();
        let stands = |signed: &Signed, list: &List| {
            signed.revision == list.revision && signed.key_id == key_id && now < signed.made_at + VALIDITY / 2
        };
        for list in status_list::live(&self.store, now).await? {
            let signed = match known.get(&list.id) {
                Some(signed) if stands(signed, &list) => Arc::clone(signed),
                _ => Arc::new(self.sign(&list, &status_list::revoked(&self.store, &list.id).await?, now)),
            };
            lists.insert(list.id, signed);
        }
        Ok(lists)
    }

    fn sign(&self, list: &List, revoked: &Revoked, now: i64) -> Signed {
        let size = usize::try_from(PLACES).expect("a list's size is positive");
        let mut statuses = StatusList::new(BITS, size).expect("one bit is a size that lists have");
        let blocks = revoked.blocks.iter().flat_map(|block| block * BLOCK..(block + 1) * BLOCK);
        let places = blocks.map(|number| scattered(&list.seed, number)).chain(revoked.places.iter().copied());
        for place in places {
            statuses.set(u64::from(place.unsigned_abs()), REVOKED).expect("places are within the list");
        }
        let claims = Claims {
            sub: &self.places.url(&list.id),
            iat: now,
            exp: now + VALIDITY,
            ttl: self.ttl.as_secs(),
            status_list: json!({"bits": BITS, "lst": statuses.to_lst()}),
        };
        // Asked first: if the key changes in between, the list is signed once more than it need be.
        let key_id = self.ring.key_id();
        let token = self.ring.sign(TYPE, &claims);
        let etag = format!("\"{}\"", secret::digest(&token));
        Signed {
            token,
            etag,
            statuses: Arc::new(statuses),
            key_id,
            revision: list.revision,
            made_at: now,
            expires_at: now + VALIDITY,
        }
    }
}
