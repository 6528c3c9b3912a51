//! Buckets in the memory of this replica.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
};

use super::{Verdict, rule::Rule};

/// After so many requests the buckets that are full again are forgotten, so that strangers cannot fill the memory.
const FORGET_EVERY: u32 = 10_000;
/// A rule that has more buckets than this, none of them full, puts whoever comes into one of so many from then on.
const CROWDED: usize = 100_000;
const WHEN_CROWDED: u64 = 1 << 16;

/// A set of buckets for each rule.
pub(super) struct Memory {
    sets: Vec<Set>,
    hasher: RandomState,
    clock: DefaultClock,
    taken: AtomicU32,
}

struct Set {
    limiter: DefaultKeyedRateLimiter<u64, StateInformationMiddleware>,
    is_crowded: AtomicBool,
}

impl Memory {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let set = |rule: &Rule| {
            let quota = Quota::with_period(rule.rate.pause()).unwrap_or_else(|| Quota::per_second(rule.rate.count));
            let limiter = RateLimiter::keyed(quota.allow_burst(rule.rate.burst));
            Set { limiter: limiter.with_middleware::<StateInformationMiddleware>(), is_crowded: AtomicBool::new(false) }
        };
        let sets = rules.iter().map(set).collect();
        Self { sets, hasher: RandomState::new(), clock: DefaultClock::default(), taken: AtomicU32::new(0) }
    }

    /// Takes one request out of the bucket of `who` under a rule, if there is one left in it.
    pub(super) fn take(&self, rule: usize, who: &[u8]) -> Verdict {
        self.forget_now_and_then();
        let set = &self.sets[rule];
        let mut bucket = self.hasher.hash_one(who);
        if set.is_crowded.load(Ordering::Relaxed) {
            bucket %= WHEN_CROWDED;
        }
        match set.limiter.check_key(&bucket) {
            Ok(snapshot) => Verdict::Left(snapshot.remaining_burst_capacity()),
            Err(broken) => Verdict::Wait(broken.wait_time_from(self.clock.now())),
        }
    }

    fn forget_now_and_then(&self) {
        if self.taken.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            for set in &self.sets {
                set.limiter.retain_recent();
                set.limiter.shrink_to_fit();
                set.is_crowded.store(set.limiter.len() > CROWDED, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rules, *};

    /// A.RL-08: however many strangers come, and however long each is remembered, the memory they take has an end.
    #[test]
    fn a_million_strangers_do_not_fill_the_memory() {
        let memory = Memory::new(&rules("ip 1/hour").unwrap());

        for stranger in 0..1_000_000_u32 {
            memory.take(0, &stranger.to_be_bytes());
        }

        let most = CROWDED + usize::try_from(WHEN_CROWDED).unwrap() + usize::try_from(FORGET_EVERY).unwrap();
        assert!(memory.sets[0].limiter.len() <= most, "{}", memory.sets[0].limiter.len());
    }

    /// A.RL-08: as long as strangers come at a pace that buckets survive, nobody's own count is lost to them.
    #[test]
    fn a_count_outlives_the_strangers_after_it() {
        let memory = Memory::new(&rules("ip 1/hour burst 2").unwrap());
        memory.take(0, b"victim");

        for stranger in 0..50_000_u32 {
            memory.take(0, &stranger.to_be_bytes());
        }

        assert!(matches!(memory.take(0, b"victim"), Verdict::Left(0)));
        assert!(matches!(memory.take(0, b"victim"), Verdict::Wait(_)));
    }

    #[test]
    fn a_rate_beyond_measure_is_no_limit_but_no_mistake_either() {
        let memory = Memory::new(&rules("ip 4294967295/second").unwrap());
        assert!(matches!(memory.take(0, b"somebody"), Verdict::Left(_)));
    }
}
