//! How many names are being guessed at: the sign of stolen lists of passwords being tried out.
//!
//! Somebody who has such a list tries each name once, from many networks, and no counter of an account or a network sees
//! more than a few failures. What grows is the number of different names. It is estimated for the whole service, in two
//! kilobytes: each name sets one bit of a map, and from the share of bits that are still clear follows how many names there
//! were (linear counting, Whang et al. 1990), within a few percent up to some ten thousand.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    mem,
    sync::{Mutex, PoisonError},
};

/// How many bits a map has.
const BITS: usize = 8192;
/// How long a map is written to, in milliseconds; two of them are read.
const PERIOD: i64 = 5 * 60 * 1000;

type Map = [u64; BITS / 64];

/// The names at which strangers have failed lately.
pub(super) struct Breadth {
    /// Of this process alone, so that nobody can choose names that look like one.
    hasher: RandomState,
    maps: Mutex<Maps>,
}

struct Maps {
    current: Map,
    previous: Map,
    began: i64,
}

impl Default for Breadth {
    fn default() -> Self {
        let maps = Maps { current: [0; BITS / 64], previous: [0; BITS / 64], began: 0 };
        Self { hasher: RandomState::new(), maps: Mutex::new(maps) }
    }
}

impl Breadth {
    /// Notes a name that a stranger has failed at.
    pub(super) fn note(&self, name: &str, now: i64) {
        let bit = usize::try_from(self.hasher.hash_one(name) % BITS as u64).unwrap_or_default();
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        maps.turn(now);
        maps.current[bit / 64] |= 1 << (bit % 64);
    }

    /// About how many there were within the last five to ten minutes.
    pub(super) fn estimate(&self, now: i64) -> f64 {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        maps.turn(now);
        let clear: u32 = maps.current.iter().zip(&maps.previous).map(|(one, other)| (one | other).count_zeros()).sum();
        let (clear, bits) = (f64::from(clear.max(1)), f64::from(u32::try_from(BITS).unwrap_or(u32::MAX)));
        (-bits * (clear / bits).ln()).round().abs()
    }
}

impl Maps {
    /// Begins a new map when it is time, or two when nobody has been here for long.
    fn turn(&mut self, now: i64) {
        let age = now - self.began;
        if age < PERIOD {
            return;
        }
        self.previous = mem::replace(&mut self.current, [0; BITS / 64]);
        if age >= 2 * PERIOD {
            self.previous = [0; BITS / 64];
        }
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_are_counted_and_the_same_name_once() {
        let breadth = Breadth::default();
        assert!(breadth.estimate(0).abs() < 0.5);
        for _ in 0..1000 {
            breadth.note("ada", 1);
        }
        assert!((breadth.estimate(1) - 1.0).abs() < 0.5);
        for number in 0..1000 {
            breadth.note(&number.to_string(), 2);
        }
        let estimate = breadth.estimate(2);
        assert!((900.0..1100.0).contains(&estimate), "{estimate}");
    }

    #[test]
    fn names_are_forgotten() {
        let breadth = Breadth::default();
        breadth.note("ada", PERIOD);
        assert!(breadth.estimate(2 * PERIOD) > 0.5, "of the map before");
        assert!(breadth.estimate(3 * PERIOD) < 0.5);
        breadth.note("ada", 4 * PERIOD);
        assert!(breadth.estimate(9 * PERIOD) < 0.5, "nobody has been here for long");
    }
}
