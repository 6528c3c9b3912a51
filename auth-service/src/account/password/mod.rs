//! Passwords: which may be set, and how they are hashed: Argon2id, off the async threads, on as many slots as there are
//! permits and never more.

mod argon;
mod cost;
mod imported;
mod load;
mod pepper;
mod policy;
mod workers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;
use zeroize::Zeroizing;

use self::{imported::Imported, load::Load, workers::Workers};
use super::Username;

#[cfg(any(test, fuzzing))]
pub use self::imported::fuzz as fuzz_password_hash;
pub use self::{cost::HashCost, pepper::Peppers};
pub(crate) use self::{
    imported::ImportError,
    pepper::MARK as PEPPER_MARK,
    policy::{NewPasswordError, Policy},
};

/// Longer passwords are never hashed: the cost of a guess is ours to choose, not the caller's.
pub(crate) const MAX_BYTES: usize = 1024;
/// How many may wait for a slot, and for how long, before the service says that it is busy.
const MAX_WAITING: usize = 32;
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Every slot is taken and enough others wait: come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the moment")]
pub(crate) struct Busy;

/// What came of comparing a password with a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// Right, but hashed otherwise than we hash today.
    RightButOutdated,
    Wrong,
}

/// Hashes and verifies passwords, a bounded number at a time.
#[derive(Clone)]
pub(crate) struct PasswordHashing {
    shared: Arc<Slots>,
}

struct Slots {
    cost: HashCost,
    peppers: Peppers,
    policy: Policy,
    permits_total: usize,
    permits: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    memory: argon::Memory,
    workers: Workers,
    load: Load,
    /// The hash of nobody's password, so that an unknown user takes as long as a known one.
    decoy: String,
}

impl PasswordHashing {
    /// `permits` hashes run at a time.
    pub(crate) fn new(cost: HashCost, peppers: Peppers, policy: Policy, permits: usize) -> Self {
        let shared = Slots {
            cost,
            decoy: argon::decoy(cost, &peppers),
            peppers,
            policy,
            permits_total: permits,
            permits: Arc::new(Semaphore::new(permits)),
            waiting: Arc::new(Semaphore::new(permits + MAX_WAITING)),
            memory: argon::Memory::new(cost),
            workers: Workers::new(permits),
            load: Load::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether a password may be set (NIST SP 800-63B-4 §3.1.1).
    pub(crate) fn check_new(&self, password: &str, username: &Username) -> Result<(), NewPasswordError> {
        self.shared.policy.check(password, username)
    }

    /// Hashes a password that is about to be set, if it is acceptable.
    pub(crate) async fn hash_new(&self, password: &str, username: &Username) -> Result<String, NewPasswordError> {
        self.check_new(password, username)?;
        Ok(self.rehash(password).await?)
    }

    /// Whether a hash from elsewhere can be verified here.
    pub(crate) fn check_import(hash: &str) -> Result<(), ImportError> {
        imported::check(hash)
    }

    /// Hashes a password as we hash today.
    pub(crate) async fn rehash(&self, password: &str) -> Result<String, Busy> {
        let password = Zeroizing::new(password.as_bytes().to_vec());
        self.run(move |slots| slots.hash(&password)).await
    }

    /// Compares a password with a stored hash; without one, takes the same time and says that it is wrong.
    pub(crate) async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verdict, Busy> {
        let is_too_long = password.len() > MAX_BYTES;
        let password = Zeroizing::new(if is_too_long { Vec::new() } else { password.as_bytes().to_vec() });
        let stored = stored.filter(|_| !is_too_long).map(ToOwned::to_owned);
        self.run(move |slots| {
            let verdict = slots.verify(&password, stored.as_ref().unwrap_or(&slots.decoy));
            if stored.is_some() { verdict } else { Verdict::Wrong }
        })
        .await
    }

    /// Whether this is the password behind a stored hash.
    pub(crate) async fn is_right(&self, password: &str, stored: &str) -> Result<bool, Busy> {
        Ok(match self.verify(password, Some(stored)).await? {
            Verdict::Right | Verdict::RightButOutdated => true,
            Verdict::Wrong => false,
        })
    }

    /// Runs one hash on a thread that is there for it. The permit moves along: a caller that hangs up does not free a slot in use.
    async fn run<T: Send + 'static>(&self, hash: impl FnOnce(&Slots) -> T + Send + 'static) -> Result<T, Busy> {
        let turned_away = |reason| {
            self.shared.load.turned_away(reason);
            Busy
        };
        let _place = Arc::clone(&self.shared.waiting).try_acquire_owned().map_err(|_| turned_away("queue_full"))?;
        let began = Instant::now();
        let permit: OwnedSemaphorePermit = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.shared.permits).acquire_owned())
            .instrument(tracing::info_span!(target: "trace", "password hash wait"))
            .await
            .map_err(|_| turned_away("waited_too_long"))?
            .expect("the semaphore is never closed");
        self.shared.load.waited(began.elapsed());
        let slots = Arc::clone(&self.shared);
        let hashed = self.shared.workers.run(move || {
            let _permit = permit;
            let began = Instant::now();
            let hashed = hash(&slots);
            slots.load.hashed(began.elapsed());
            hashed
        });
        Ok(hashed.instrument(tracing::info_span!(target: "trace", "password hash")).await)
    }
}

impl Slots {
    fn hash(&self, password: &[u8]) -> String {
        argon::hash(password, self.cost, &self.peppers, &self.memory)
    }

    fn verify(&self, password: &[u8], stored: &str) -> Verdict {
        self.recompute(password, stored).unwrap_or_else(|| {
            tracing::error!("A stored password hash is damaged, too costly, or needs a pepper that is not there");
            Verdict::Wrong
        })
    }

    fn recompute(&self, password: &[u8], stored: &str) -> Option<Verdict> {
        if stored.starts_with("$argon2") {
            return argon::Stored::parse(stored)?.verify(password, self.cost, &self.peppers, &self.memory);
        }
        let is_right = Imported::parse(stored).ok()?.verify(password);
        Some(if is_right { Verdict::RightButOutdated } else { Verdict::Wrong })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    const CHEAP: HashCost = HashCost { memory_kib: 64, passes: 1, lanes: 1 };

    fn hashing_with(cost: HashCost, peppers: &[u8]) -> PasswordHashing {
        let peppers: Vec<String> = peppers.iter().map(|byte| BASE64_STANDARD.encode([*byte; 32])).collect();
        let peppers = if peppers.is_empty() { Peppers::default() } else { Peppers::parse(&peppers.join(",")).unwrap() };
        PasswordHashing::new(cost, peppers, Policy::new(15, "http://localhost"), 2)
    }

    fn hashing() -> PasswordHashing {
        hashing_with(CHEAP, &[])
    }

    #[tokio::test]
    async fn a_password_is_compared_byte_for_byte() {
        let (hashing, username) = (hashing(), "ada".parse().unwrap());
        let password = "correct horse battery staple é";
        let stored = hashing.hash_new(password, &username).await.unwrap();
        assert_eq!(hashing.verify(password, Some(&stored)).await, Ok(Verdict::Right));
        let decomposed = "correct horse battery staple e\u{301}";
        for other in ["", "correct horse", &format!("{password} "), &password.to_uppercase(), decomposed] {
            assert_eq!(hashing.verify(other, Some(&stored)).await, Ok(Verdict::Wrong), "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_long_password_is_neither_truncated_nor_hashed() {
        let (hashing, username) = (hashing(), "ada".parse().unwrap());
        let password = "p".repeat(200);
        let stored = hashing.hash_new(&password, &username).await.unwrap();
        assert_eq!(hashing.verify(&password[..72], Some(&stored)).await, Ok(Verdict::Wrong));
        assert_eq!(hashing.verify(&"p".repeat(MAX_BYTES + 1), Some(&stored)).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn another_cost_is_noticed_and_a_hostile_one_refused() {
        let stored = hashing().rehash("correct horse battery").await.unwrap();
        let dearer = hashing_with(HashCost { memory_kib: 128, ..CHEAP }, &[]);
        assert_eq!(dearer.verify("correct horse battery", Some(&stored)).await, Ok(Verdict::RightButOutdated));
        let hostile = stored.replace("m=64", "m=4194304");
        assert_eq!(hashing().verify("correct horse battery", Some(&hostile)).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_pepper_is_needed_once_it_was_used_and_can_be_replaced() {
        let password = "correct horse battery";
        let plain = hashing().rehash(password).await.unwrap();
        let peppered = hashing_with(CHEAP, &[1]).rehash(password).await.unwrap();
        assert!(peppered.contains(PEPPER_MARK) && !plain.contains(PEPPER_MARK), "{peppered}");

        for (peppers, stored, verdict) in [
            (&[1][..], &peppered, Verdict::Right),
            (&[2, 1], &peppered, Verdict::RightButOutdated),
            (&[1], &plain, Verdict::RightButOutdated),
            (&[], &peppered, Verdict::Wrong),
            (&[2], &peppered, Verdict::Wrong),
        ] {
            assert_eq!(hashing_with(CHEAP, peppers).verify(password, Some(stored)).await, Ok(verdict), "{peppers:?}");
        }
        let without_mark = peppered.replace(&peppered[peppered.find(PEPPER_MARK).unwrap()..][..PEPPER_MARK.len() + 8], "");
        assert_eq!(hashing_with(CHEAP, &[1]).verify(password, Some(&without_mark)).await, Ok(Verdict::Wrong));
    }
}
