//! Exchanges API keys for access tokens at the issuer (RFC 8693), and remembers the tokens.
//!
//! The token that comes back is an access token like any other: the [`AccessTokenVerifier`](super::AccessTokenVerifier)
//! checks it, and its place in a status list is revoked together with the key. So there is one way in, and one way out.
//!
//! A stranger can send as many made-up keys as he likes: those with a wrong checksum cost nothing, the others are asked
//! about at a bounded pace, and neither can push out what is remembered of good keys.

mod exchange;
mod form;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use moka::sync::Cache;
use tokio::{sync::Semaphore, time::timeout};

use super::{AccessTokenError, IssuerKeys, MAX_LIFETIME};
use exchange::Outcome;

pub use exchange::{API_KEY_TOKEN_TYPE, TOKEN_EXCHANGE_GRANT_TYPE, TOKEN_TYPE_ACCESS_TOKEN};
pub use form::ApiKey;

/// How many keys are remembered. Only good ones are, so that a stranger cannot fill this memory.
const REMEMBERED: u64 = 10_000;

/// How many keys are known to be refused, and for how long that is taken for granted.
const REFUSED: (u64, Duration) = (10_000, Duration::from_secs(5));

/// How many keys are being asked about, at most, at a time.
const MAX_ASKING: usize = 64;

/// How long a request waits for the answer about its key.
const PATIENCE: Duration = Duration::from_secs(6);

/// For how long the issuer is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// When to ask again while the issuer is away, or too many keys are asked about.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How many keys that are not good may be asked about in a row, and how soon one more once that is used up.
const MISSES: (u32, Duration) = (64, Duration::from_millis(200));

/// The longest before its end that a token is not used any more.
const LONGEST_MARGIN: Duration = Duration::from_secs(30);

/// Why an API key does not let in. The texts name no part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// It has not the form of a key, or a wrong checksum.
    #[error("the API key is malformed")]
    Malformed,
    /// The issuer does not know it, it has ended, or it allows nothing here.
    #[error("the API key is unknown, expired, revoked or not for this resource")]
    Refused,
    /// Nobody can tell for now: our fault, not the key's.
    #[error("the issuer cannot be asked about the API key")]
    Unavailable {
        /// When asking again may help.
        retry_after: Duration,
    },
}

impl ApiKeyError {
    /// A stable name for logs, metrics and programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "api_key_malformed",
            Self::Refused => "api_key_refused",
            Self::Unavailable { .. } => "api_key_unavailable",
        }
    }

    /// When asking again may help, if it is our fault.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(*retry_after),
            Self::Malformed | Self::Refused => None,
        }
    }
}

/// Exchanges API keys for access tokens for one protected resource. Cloning is cheap, and the clones share what they remember.
#[derive(Clone)]
pub struct ApiKeys {
    inner: Arc<Inner>,
}

type Hash = [u8; 32];

struct Inner {
    issuer: IssuerKeys,
    resource: String,
    /// By the SHA-256 of the key. An entry outlives its token, so that a key that was good once need not queue again.
    held: Cache<Hash, Held>,
    refused: Cache<Hash, ()>,
    /// Those that the issuer does not look at for now. It may be the key and it may be our address, so the others go on.
    throttled: Cache<Hash, ()>,
    /// Those who come with the same key wait for one answer.
    flights: Cache<Hash, Arc<tokio::sync::Mutex<()>>>,
    asking: Semaphore,
    misses: Mutex<Misses>,
    silent_until: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Held {
    token: Arc<str>,
    /// When it is exchanged anew: shortly before it ends.
    until: Instant,
}

/// An access token that a key was exchanged for.
#[derive(Clone)]
pub struct Exchanged {
    /// The access token.
    pub token: Arc<str>,
    /// Whether the issuer was asked just now; otherwise the token may have been revoked since.
    pub is_fresh: bool,
}

impl ApiKeys {
    /// Exchanges keys at this issuer for tokens for this resource.
    pub fn new(issuer: IssuerKeys, resource: impl Into<String>) -> Self {
        let inner = Inner {
            issuer,
            resource: resource.into(),
            held: Cache::builder().max_capacity(REMEMBERED).time_to_live(MAX_LIFETIME).build(),
            refused: Cache::builder().max_capacity(REFUSED.0).time_to_live(REFUSED.1).build(),
            throttled: Cache::builder().max_capacity(REFUSED.0).time_to_live(RETRY_AFTER).build(),
            flights: Cache::builder().max_capacity(REFUSED.0).time_to_live(4 * PATIENCE).build(),
            asking: Semaphore::new(MAX_ASKING),
            misses: Mutex::new(Misses { full_at: Instant::now() }),
            silent_until: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// An access token for this key: the one at hand, or another.
    pub async fn exchange(&self, key: &str) -> Result<Exchanged, ApiKeyError> {
        let key = ApiKey::parse(key).ok_or(ApiKeyError::Malformed)?;
        let hash = key.hash();
        if let Some(known) = self.known(&hash) {
            return known;
        }
        let flight = self.inner.flights.get_with(hash, Arc::default);
        let Ok(_turn) = timeout(PATIENCE, flight.lock()).await else { return Err(UNAVAILABLE) };
        // Whoever was before us may have had the answer.
        match self.known(&hash) {
            Some(known) => known,
            None => self.ask(key, hash).await,
        }
    }

    /// Forgets the token of a key, as when it turns out to be revoked: the key may still be good.
    pub fn forget(&self, key: &str) {
        if let Some(key) = ApiKey::parse(key) {
            self.inner.held.invalidate(&key.hash());
        }
    }

    fn known(&self, hash: &Hash) -> Option<Result<Exchanged, ApiKeyError>> {
        if let Some(held) = self.inner.held.get(hash)
            && Instant::now() < held.until
        {
            return Some(Ok(Exchanged { token: held.token, is_fresh: false }));
        }
        if self.inner.throttled.contains_key(hash) {
            return Some(Err(UNAVAILABLE));
        }
        self.inner.refused.contains_key(hash).then_some(Err(ApiKeyError::Refused))
    }

    async fn ask(&self, key: ApiKey<'_>, hash: Hash) -> Result<Exchanged, ApiKeyError> {
        let now = Instant::now();
        let is_silent = self.silent_until().is_some_and(|until| now < until);
        if is_silent || !self.may_miss(&hash, now) {
            return Err(UNAVAILABLE);
        }
        let Ok(_place) = self.inner.asking.try_acquire() else { return Err(UNAVAILABLE) };
        // The keys first: without them the token would be worth nothing, and with them the metadata is there, too.
        self.inner.issuer.wait().await.map_err(unavailable)?;
        match exchange::ask(&self.inner.issuer, &self.inner.resource, key).await {
            Outcome::Token { token, lifetime } => {
                let margin = (lifetime / 10).min(LONGEST_MARGIN);
                self.inner.held.insert(hash, Held { token: Arc::clone(&token), until: now + lifetime.saturating_sub(margin) });
                Ok(Exchanged { token, is_fresh: true })
            }
            Outcome::Refused => {
                self.inner.held.invalidate(&hash);
                self.inner.refused.insert(hash, ());
                self.misses().note(now);
                Err(ApiKeyError::Refused)
            }
            // A pause for all would let one who guesses keep everybody else's keys out.
            Outcome::Throttled => {
                self.inner.throttled.insert(hash, ());
                self.misses().note(now);
                Err(UNAVAILABLE)
            }
            Outcome::Unavailable => {
                *self.inner.silent_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PAUSE);
                Err(UNAVAILABLE)
            }
        }
    }

    /// Whether this key may be asked about: one that was good before, always.
    fn may_miss(&self, hash: &Hash, now: Instant) -> bool {
        self.inner.held.contains_key(hash) || self.misses().may_miss(now)
    }

    fn misses(&self) -> std::sync::MutexGuard<'_, Misses> {
        self.inner.misses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent_until(&self) -> Option<Instant> {
        *self.inner.silent_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ApiKeys").field("resource", &self.inner.resource).finish_non_exhaustive()
    }
}

const UNAVAILABLE: ApiKeyError = ApiKeyError::Unavailable { retry_after: RETRY_AFTER };

const fn unavailable(error: AccessTokenError) -> ApiKeyError {
    match error.retry_after() {
        Some(retry_after) => ApiKeyError::Unavailable { retry_after },
        None => UNAVAILABLE,
    }
}

/// A bucket of questions about keys that were not good: good ones are not counted.
struct Misses {
    /// When the bucket will be full again.
    full_at: Instant,
}

impl Misses {
    fn may_miss(&self, now: Instant) -> bool {
        self.full_at.saturating_duration_since(now) < MISSES.1 * MISSES.0
    }

    fn note(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + MISSES.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ak_05_a_flood_of_made_up_keys_is_slowed_to_the_refill() {
        let now = Instant::now();
        let mut misses = Misses { full_at: now };
        for _ in 0..MISSES.0 {
            assert!(misses.may_miss(now));
            misses.note(now);
        }
        assert!(!misses.may_miss(now));
        assert!(misses.may_miss(now + MISSES.1));
        assert!(misses.may_miss(now + 1000 * MISSES.1));
    }

    #[test]
    fn what_is_our_fault_says_when_to_come_back() {
        for (error, retry_after) in
            [(ApiKeyError::Malformed, None), (ApiKeyError::Refused, None), (UNAVAILABLE, Some(RETRY_AFTER))]
        {
            assert_eq!(error.retry_after(), retry_after);
            assert!(error.code().starts_with("api_key_"));
        }
    }
}
