//! Places in status lists, handed out from memory: a block is leased from the database for each client at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{digest, rand};
use shared::access_token::{MAX_LIFETIME, Status, StatusReference};

use crate::{
    client::Client,
    clock, id,
    store::{
        Store, StoreError,
        status_list::{self, BLOCK, BLOCKS, Holder, Lease, Leased, Model as List, Place},
    },
};

/// How long a list hands places out. It lives on until the last token of that time has ended.
const WINDOW: i64 = 3600;
/// For clocks that differ, and for an access token that a repeated refresh issues at a place it already had.
const MARGIN: i64 = 120;
const ROUNDS: u8 = 4;
/// A list has 2^20 places: the two halves of a place number have ten bits each.
const HALF_BITS: u32 = 10;
const HALF_MASK: u32 = (1 << HALF_BITS) - 1;

/// The size of a list.
pub(crate) const PLACES: i32 = BLOCK * BLOCKS;

/// Hands out places.
#[derive(Clone)]
pub(crate) struct Places {
    store: Store,
    /// The beginning of every list's URL.
    prefix: Arc<str>,
    blocks: Arc<Mutex<HashMap<String, Slot>>>,
}

/// The block in use for one client. Those who find it empty wait for one lease together.
type Slot = Arc<tokio::sync::Mutex<Option<Block>>>;

struct Block {
    lease: Lease,
    /// The client's generation: the block may have been revoked with what the client was issued before.
    generation: i64,
    used: i32,
}

/// Why there is no place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    /// The client has been disabled since it proved who it is.
    #[error("the client was disabled a moment ago")]
    Disabled,
    /// Everything it was issued has ended since then.
    #[error("the client was changed a moment ago")]
    Changed,
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Places {
    pub(crate) fn new(store: Store, issuer: &str) -> Self {
        Self { store, prefix: format!("{issuer}/oauth2/status-lists/").into(), blocks: Arc::default() }
    }

    /// A place for a token of this client.
    pub(crate) async fn take(&self, client: &Client, now: i64) -> Result<Place, PlaceError> {
        let generation = client.generation();
        let slot =
            Arc::clone(self.blocks.lock().unwrap_or_else(PoisonError::into_inner).entry(client.id().to_owned()).or_default());
        let mut slot = slot.lock().await;
        let is_usable = |block: &Block| block.used < BLOCK && block.generation == generation && now < block.lease.list.closes_at;
        let mut block = if let Some(block) = slot.take().filter(is_usable) {
            block
        } else {
            let holder = Holder { client_id: client.id(), generation: (!client.is_api_key_client()).then_some(generation) };
            match status_list::lease(&self.store, holder, now, |slot| fresh(slot, now)).await? {
                Leased::Block(lease) => Block { lease, generation, used: 0 },
                Leased::Disabled => return Err(PlaceError::Disabled),
                Leased::Changed => return Err(PlaceError::Changed),
            }
        };
        let place = scattered(&block.lease.list.seed, block.lease.block * BLOCK + block.used);
        block.used += 1;
        let list_id = block.lease.list.id.clone();
        *slot = Some(block);
        Ok(Place { list_id, place })
    }

    /// The claim that points to a place.
    pub(crate) fn status(&self, place: &Place) -> Status {
        let idx = u64::from(place.place.unsigned_abs());
        Status { status_list: StatusReference { idx, uri: self.url(&place.list_id) } }
    }

    /// The place that a claim of ours points to.
    pub(crate) fn place_of(&self, status: &Status) -> Option<Place> {
        let list_id = status.status_list.uri.strip_prefix(&*self.prefix)?.to_owned();
        let place = i32::try_from(status.status_list.idx).ok().filter(|place| *place < PLACES)?;
        Some(Place { list_id, place })
    }

    /// Where a list is published.
    pub(crate) fn url(&self, list_id: &str) -> String {
        format!("{}{list_id}", self.prefix)
    }
}

fn fresh(slot: i32, now: i64) -> List {
    let mut seed = vec![0; 16];
    rand::fill(&mut seed).expect("the system's random source answers");
    List {
        id: id::status_list(),
        slot,
        seed,
        leased: 0,
        closes_at: now + WINDOW,
        expires_at: now + WINDOW + clock::seconds(MAX_LIFETIME) + MARGIN,
        revision: 0,
    }
}

/// Scatters the places of a list: a permutation (a Feistel network over both halves of the number), so that two tokens
/// never share a place and nobody who does not know the seed can tell which were issued one after the other.
pub(super) fn scattered(seed: &[u8], number: i32) -> i32 {
    let (mut left, mut right) = halves(number);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ mixed(seed, round, right));
    }
    whole(left, right)
}

/// The number that [`scattered`] made this place of.
pub(super) fn gathered(seed: &[u8], place: i32) -> i32 {
    let (mut left, mut right) = halves(place);
    for round in (0..ROUNDS).rev() {
        (left, right) = (right ^ mixed(seed, round, left), left);
    }
    whole(left, right)
}

/// The block of a list that a place belongs to.
pub(crate) fn block_of(seed: &[u8], place: i32) -> i32 {
    gathered(seed, place) / BLOCK
}

fn halves(number: i32) -> (u32, u32) {
    let number = number.unsigned_abs();
    (number >> HALF_BITS & HALF_MASK, number & HALF_MASK)
}

fn whole(left: u32, right: u32) -> i32 {
    (left << HALF_BITS | right).cast_signed()
}

fn mixed(seed: &[u8], round: u8, half: u32) -> u32 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(seed);
    context.update(&[round]);
    context.update(&half.to_be_bytes());
    let digest = context.finish();
    u32::from_be_bytes([digest.as_ref()[0], digest.as_ref()[1], digest.as_ref()[2], digest.as_ref()[3]]) & HALF_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_place_of_its_own() {
        for number in (0..PLACES).step_by(97) {
            let place = scattered(b"seed", number);
            assert!((0..PLACES).contains(&place));
            // What can be undone has no second number at the same place.
            assert_eq!(gathered(b"seed", place), number);
        }
    }

    #[test]
    fn another_seed_scatters_otherwise() {
        let same = (0..1000).filter(|number| scattered(b"one", *number) == scattered(b"other", *number)).count();
        assert!(same < 10, "{same} of 1000 places are the same");
    }
}
