//! Argon2 itself: computing a hash in memory that is kept for the next one.

use std::sync::{Mutex, PoisonError};

use argon2::{
    Algorithm, Argon2, Block, KeyId, Params, ParamsBuilder, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use aws_lc_rs::{constant_time, rand};
use zeroize::Zeroizing;

use super::{HashCost, Peppers, Verdict};

/// The memory of finished hashes, reused: fresh pages cost a quarter of the hash.
pub(super) struct Memory {
    idle: Mutex<Vec<Vec<Block>>>,
    /// The blocks of a hash as we make them today. What an imported hash took beyond that is given back.
    most: usize,
}

/// A stored Argon2 hash, within what any hash may cost.
pub(super) struct Stored {
    algorithm: Algorithm,
    version: Version,
    cost: HashCost,
    pepper: Vec<u8>,
    salt: Salt,
    output: Output,
}

impl Stored {
    /// Reads a PHC string of any Argon2 there is.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let phc = PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
        let version = Version::try_from(phc.version.unwrap_or(0x10)).ok()?;
        let params = Params::try_from(&phc).ok().filter(|params| params.data().is_empty())?;
        let cost = HashCost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
        cost.params()?;
        Some(Self { algorithm, version, cost, pepper: params.keyid().to_vec(), salt: phc.salt?, output: phc.hash? })
    }

    /// Whether it needs a pepper.
    pub(super) const fn is_peppered(&self) -> bool {
        !self.pepper.is_empty()
    }

    /// Compares a password with it; nothing if its pepper is not there.
    pub(super) fn verify(&self, password: &[u8], today: HashCost, peppers: &Peppers, memory: &Memory) -> Option<Verdict> {
        let pepper = if self.is_peppered() { Some(peppers.by_id(&self.pepper)?) } else { None };
        let key = pepper.map_or(&[][..], |pepper| pepper.key());
        let context = Argon2::new_with_secret(key, self.algorithm, self.version, self.cost.params()?).ok()?;
        let output = memory.fill(&context, password, &self.salt, self.output.len())?;
        let is_todays = self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.cost == today
            && self.output.len() == Params::DEFAULT_OUTPUT_LEN
            && self.pepper == peppers.current().map_or(&[][..], |pepper| pepper.id());
        Some(match constant_time::verify_slices_are_equal(&output, self.output.as_bytes()) {
            Ok(()) if is_todays => Verdict::Right,
            Ok(()) => Verdict::RightButOutdated,
            Err(_) => Verdict::Wrong,
        })
    }
}

/// Hashes a password with Argon2id, as a PHC string.
pub(super) fn hash(password: &[u8], cost: HashCost, peppers: &Peppers, memory: &Memory) -> String {
    let params = params(cost, peppers);
    let salt = Salt::generate();
    let key = peppers.current().map_or(&[][..], |pepper| pepper.key());
    let context = Argon2::new_with_secret(key, Algorithm::Argon2id, Version::V0x13, params.clone());
    let context = context.expect("a pepper is short enough");
    let output = memory.fill(&context, password, &salt, Params::DEFAULT_OUTPUT_LEN).expect("a salt of ours is long enough");
    phc(&params, salt, &output)
}

/// What looks like the hash of a password and is none's: to compare with it costs what every comparison costs.
pub(super) fn decoy(cost: HashCost, peppers: &Peppers) -> String {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    rand::fill(&mut output).expect("the system's random source answers");
    phc(&params(cost, peppers), Salt::generate(), &output)
}

fn params(cost: HashCost, peppers: &Peppers) -> Params {
    let mut builder = ParamsBuilder::new();
    builder.m_cost(cost.memory_kib).t_cost(cost.passes).p_cost(cost.lanes);
    if let Some(pepper) = peppers.current() {
        builder.keyid(KeyId::new(pepper.id()).expect("an id is short enough"));
    }
    builder.build().expect("the settings allow only costs within the bounds")
}

fn phc(params: &Params, salt: Salt, output: &[u8]) -> String {
    let phc = PasswordHash {
        algorithm: argon2::ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("three numbers and an id fit"),
        salt: Some(salt),
        hash: Some(Output::new(output).expect("an output of this length fits")),
    };
    phc.to_string()
}

impl Memory {
    /// None yet: the first hashes allocate it.
    pub(super) fn new(cost: HashCost) -> Self {
        Self { idle: Mutex::default(), most: cost.params().map_or(0, |params| params.block_count()) }
    }

    fn fill(&self, context: &Argon2<'_>, password: &[u8], salt: &Salt, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let mut memory = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        memory.resize(context.params().block_count(), Block::new());
        let mut output = Zeroizing::new(vec![0; length]);
        let filled = context.hash_password_into_with_memory(password, salt, &mut output, &mut memory);
        memory.truncate(self.most);
        memory.shrink_to(self.most);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        filled.ok()?;
        Some(output)
    }
}
