//! The seeds of a fuzz target, mutated at random: what runs the bodies of the targets on stable Rust, in every `cargo test`.
//! `PROPTEST_CASES` says how often.

use std::{fs, path::Path};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};

/// How often, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 2_000;
/// Beyond the end of a mutated input there is no more to learn.
const LONGEST: usize = 16 * 1024;

/// One change to an input.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8, u8),
    Cut(Index),
    /// Goes on as another seed does.
    Splice(Index, Index, Index),
}

impl Mutation {
    fn apply(&self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let end = input.len() + 1;
        match self {
            Self::Flip(at, bit) => input.get_mut(at.index(end)).into_iter().for_each(|byte| *byte ^= 1 << bit),
            Self::Put(at, value) => input.get_mut(at.index(end)).into_iter().for_each(|byte| *byte = *value),
            Self::Insert(at, bytes) => {
                let at = at.index(end);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(end);
                input.drain(at..input.len().min(at + usize::from(*count)));
            }
            Self::Repeat(at, count, times) => {
                let at = at.index(end);
                let part = input[at..input.len().min(at + usize::from(*count))].repeat(usize::from(*times));
                input.splice(at..at, part);
            }
            Self::Cut(at) => input.truncate(at.index(end)),
            Self::Splice(at, seed, from) => {
                let seed = &seeds[seed.index(seeds.len())];
                input.truncate(at.index(end));
                input.extend_from_slice(&seed[from.index(seed.len() + 1)..]);
            }
        }
        input.truncate(LONGEST);
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let telling = prop::sample::select(&b"\0\n\r \"%&+,-./0:;=?[\\]_{}\x7f\xc0\xff"[..]);
    prop_oneof![
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Put(at, byte)),
        2 => (any::<Index>(), telling).prop_map(|(at, byte)| Mutation::Put(at, byte)),
        2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (any::<Index>(), 1_u8..40).prop_map(|(at, count)| Mutation::Remove(at, count)),
        1 => (any::<Index>(), 1_u8..40, 1_u8..60).prop_map(|(at, count, times)| Mutation::Repeat(at, count, times)),
        1 => any::<Index>().prop_map(Mutation::Cut),
        1 => any::<(Index, Index, Index)>().prop_map(|(at, seed, from)| Mutation::Splice(at, seed, from)),
    ]
}

/// Holds a target to its word: for its seeds as they are, and for mutations of them.
pub(crate) fn hold(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<Vec<u8>> = files.map(|file| fs::read(file.expect("a file").path()).expect("a seed")).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "there is no seed in {}", folder.display());
    for seed in &seeds {
        body(seed);
    }
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let inputs = (any::<Index>(), prop::collection::vec(mutation(), 1..6)).prop_map(|(seed, mutations)| {
        let mut input = seeds[seed.index(seeds.len())].clone();
        for mutation in &mutations {
            mutation.apply(&mut input, &seeds);
        }
        input
    });
    let outcome = runner.run(&inputs, |input| {
        body(&input);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{target}: {error}");
    }
}
