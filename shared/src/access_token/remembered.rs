//! The tokens that were verified lately, so that the next request with one costs a hash instead of a signature.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use moka::sync::Cache;

use super::{AccessTokenClaims, KeySet, VerificationKey};

/// How much memory remembered tokens may take, about, in bytes.
const CAPACITY: u64 = 16 * 1024 * 1024;

/// What an entry takes beside the text of its token, about, in bytes.
const OVERHEAD: usize = 512;

/// Names a token without holding it: what is kept here cannot be presented anywhere.
pub(super) type TokenHash = [u8; 32];

/// A bounded memory of verified tokens. It holds only tokens whose signature held, so a stranger cannot fill it.
#[derive(Clone)]
pub(super) struct Remembered(Cache<TokenHash, Verified>);

/// A token that was verified.
#[derive(Clone)]
pub(super) struct Verified {
    /// What it says.
    pub(super) claims: Arc<AccessTokenClaims>,
    key_id: Arc<str>,
    key_fingerprint: [u8; 32],
    weight: u32,
}

impl Verified {
    /// Whether the key that signed it is in this set. The ID alone would not do: another key may have taken its place.
    pub(super) fn is_signed_by_one_of(&self, keys: &KeySet) -> bool {
        keys.get(&self.key_id).is_some_and(|key| key.fingerprint() == self.key_fingerprint)
    }
}

impl Remembered {
    /// An empty memory whose entries leave after `longest` at the latest.
    pub(super) fn new(longest: Duration) -> Self {
        let weigher = |_: &TokenHash, verified: &Verified| verified.weight;
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weigher).time_to_live(longest).build())
    }

    /// The name under which this token is remembered.
    pub(super) fn hash(token: &str) -> TokenHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        hash
    }

    /// A remembered token; much may have happened to it since.
    pub(super) fn get(&self, hash: &TokenHash) -> Option<Verified> {
        self.0.get(hash)
    }

    /// Remembers a token of this length that has just been verified with this key.
    pub(super) fn remember(&self, hash: TokenHash, length: usize, key: &VerificationKey, claims: Arc<AccessTokenClaims>) {
        let weight = u32::try_from(length + OVERHEAD).unwrap_or(u32::MAX);
        let verified = Verified { claims, key_id: key.id().into(), key_fingerprint: key.fingerprint(), weight };
        self.0.insert(hash, verified);
    }

    /// Forgets a token.
    pub(super) fn forget(&self, hash: &TokenHash) {
        self.0.invalidate(hash);
    }
}
