//! Password hashing: Argon2id, off the async threads, on as many slots as there are permits and never more.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use aws_lc_rs::constant_time;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::Username;

/// Longer passwords are never hashed: the cost of a guess is ours to choose, not the caller's.
pub(crate) const MAX_BYTES: usize = 1024;
const MAX_CODE_POINTS: usize = 256;
/// How many may wait for a slot, and for how long, before the service says that it is busy.
const MAX_WAITING: usize = 32;
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Stored parameters beyond these are refused: a row that somebody planted must not take the machine's memory.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashCost {
    /// The OWASP recommendation for Argon2id: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl HashCost {
    fn params(self) -> Option<Params> {
        let is_bounded = self.memory_kib <= MAX_MEMORY_KIB && self.passes <= MAX_PASSES && self.lanes <= MAX_LANES;
        is_bounded.then(|| Params::new(self.memory_kib, self.passes, self.lanes, None).ok()).flatten()
    }
}

/// Every slot is taken and enough others wait: come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the moment")]
pub(crate) struct Busy;

/// Why a password cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NewPasswordError {
    #[error("the password has fewer than {0} characters")]
    TooShort(usize),
    #[error("the password has more than {MAX_CODE_POINTS} characters")]
    TooLong,
    #[error("the password is the username, or contains it")]
    ContainsUsername,
    #[error("the password contains a NUL character")]
    Nul,
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// What came of comparing a password with a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// Right, but hashed at another cost than today's.
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
    min_length: usize,
    permits: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// The memory of finished hashes, reused: fresh pages cost a quarter of the hash.
    memory: Mutex<Vec<Vec<Block>>>,
    /// A hash of nobody's password, so that an unknown user takes as long as a known one.
    decoy: String,
}

impl PasswordHashing {
    /// `permits` hashes run at a time.
    pub(crate) fn new(cost: HashCost, min_length: usize, permits: usize) -> Self {
        let mut shared = Slots {
            cost,
            min_length,
            permits: Arc::new(Semaphore::new(permits)),
            waiting: Arc::new(Semaphore::new(permits + MAX_WAITING)),
            memory: Mutex::new(Vec::new()),
            decoy: String::new(),
        };
        shared.decoy = shared.hash(b"nobody's password");
        Self { shared: Arc::new(shared) }
    }

    /// Hashes a password that is about to be set, if it is acceptable (NIST SP 800-63B-4 §3.1.1).
    pub(crate) async fn hash_new(&self, password: &str, username: &Username) -> Result<String, NewPasswordError> {
        let code_points = password.chars().count();
        if code_points < self.shared.min_length {
            return Err(NewPasswordError::TooShort(self.shared.min_length));
        }
        if code_points > MAX_CODE_POINTS || password.len() > MAX_BYTES {
            return Err(NewPasswordError::TooLong);
        }
        if password.contains('\0') {
            return Err(NewPasswordError::Nul);
        }
        if password.to_lowercase().contains(username.as_str()) {
            return Err(NewPasswordError::ContainsUsername);
        }
        Ok(self.rehash(password).await?)
    }

    /// Hashes a password at today's cost.
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

    /// A hash from elsewhere, if it is one that passwords can be compared with here.
    pub(crate) fn import(hash: &str) -> Result<String, String> {
        let phc = PasswordHash::new(hash).ok().filter(|phc| {
            let is_ours = phc.algorithm == argon2::ARGON2ID_IDENT && phc.version == Some(Version::V0x13.into());
            let params = Params::try_from(phc).ok();
            let cost =
                params.map(|params| HashCost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() });
            is_ours && phc.salt.is_some() && phc.hash.is_some() && cost.is_some_and(|cost| cost.params().is_some())
        });
        phc.map(|phc| phc.to_string())
            .ok_or_else(|| "the password hash is not Argon2id in PHC form, of a bearable cost".to_owned())
    }

    /// Runs one hash on a blocking thread. The permit moves along: a caller that hangs up does not free a slot in use.
    async fn run<T: Send + 'static>(&self, hash: impl FnOnce(&Slots) -> T + Send + 'static) -> Result<T, Busy> {
        let _place = Arc::clone(&self.shared.waiting).try_acquire_owned().map_err(|_| Busy)?;
        let permit: OwnedSemaphorePermit = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.shared.permits).acquire_owned())
            .await
            .map_err(|_| Busy)?
            .expect("the semaphore is never closed");
        let slots = Arc::clone(&self.shared);
        let hashed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            hash(&slots)
        });
        Ok(hashed.await.expect("hashing does not panic"))
    }
}

impl Slots {
    fn hash(&self, password: &[u8]) -> String {
        let params = self.cost.params().expect("the settings allow only costs within the bounds");
        let salt = Salt::generate();
        let output = self.fill(&params, password, &salt).expect("parameters and salt are within Argon2's bounds");
        let phc = PasswordHash {
            algorithm: argon2::ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).expect("three numbers fit"),
            salt: Some(salt),
            hash: Some(output),
        };
        phc.to_string()
    }

    fn verify(&self, password: &[u8], stored: &str) -> Verdict {
        self.recompute(password, stored).unwrap_or_else(|| {
            tracing::error!("A stored password hash is damaged, or its cost is beyond the bounds");
            Verdict::Wrong
        })
    }

    fn recompute(&self, password: &[u8], stored: &str) -> Option<Verdict> {
        let phc = PasswordHash::new(stored).ok()?;
        if phc.algorithm != argon2::ARGON2ID_IDENT || phc.version != Some(Version::V0x13.into()) {
            return None;
        }
        let parsed = Params::try_from(&phc).ok()?;
        let cost = HashCost { memory_kib: parsed.m_cost(), passes: parsed.t_cost(), lanes: parsed.p_cost() };
        let (salt, expected) = (phc.salt?, phc.hash?);
        let output = self.fill(&cost.params()?, password, &salt)?;
        Some(match constant_time::verify_slices_are_equal(output.as_bytes(), expected.as_bytes()) {
            Ok(()) if cost == self.cost => Verdict::Right,
            Ok(()) => Verdict::RightButOutdated,
            Err(_) => Verdict::Wrong,
        })
    }

    fn fill(&self, params: &Params, password: &[u8], salt: &Salt) -> Option<Output> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        memory.resize(params.block_count(), Block::new());
        let mut output = Zeroizing::new([0; Params::DEFAULT_OUTPUT_LEN]);
        let filled = argon2.hash_password_into_with_memory(password, salt, &mut *output, &mut memory);
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        filled.ok()?;
        Output::new(&*output).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashing() -> PasswordHashing {
        PasswordHashing::new(HashCost { memory_kib: 64, passes: 1, lanes: 1 }, 15, 2)
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
        let dearer = PasswordHashing::new(HashCost { memory_kib: 128, passes: 1, lanes: 1 }, 15, 1);
        assert_eq!(dearer.verify("correct horse battery", Some(&stored)).await, Ok(Verdict::RightButOutdated));
        let hostile = stored.replace("m=64", "m=4194304");
        assert_eq!(hashing().verify("correct horse battery", Some(&hostile)).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn an_unacceptable_password_is_refused_with_the_reason() {
        let (hashing, username) = (hashing(), "ada".parse().unwrap());
        assert_eq!(hashing.hash_new("fourteen chars", &username).await, Err(NewPasswordError::TooShort(15)));
        assert_eq!(hashing.hash_new(&"p".repeat(257), &username).await, Err(NewPasswordError::TooLong));
        assert_eq!(hashing.hash_new("my name is ADA indeed", &username).await, Err(NewPasswordError::ContainsUsername));
        assert_eq!(hashing.hash_new("a long one with \0 in it", &username).await, Err(NewPasswordError::Nul));
        assert!(hashing.hash_new(&"🦀".repeat(64), &username).await.is_ok());
    }
}
