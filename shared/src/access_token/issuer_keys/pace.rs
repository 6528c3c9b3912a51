//! How often the issuer may be asked: neither too often, nor all verifiers at the same moment, nor at a stranger's will.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use aws_lc_rs::rand;

/// The first pause after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How many refreshes in a row may be caused by key IDs we do not know.
const BURST: u32 = 8;

/// How soon another refresh may be caused once the burst is used up.
const REFILL: Duration = Duration::from_secs(2);

/// When to refresh after a success: as the issuer says, within our bounds, give or take a tenth.
pub(in crate::access_token) fn after_success(max_age: Option<Duration>, bounds: &RangeInclusive<Duration>) -> Duration {
    jittered(max_age.unwrap_or(*bounds.end()).min(*bounds.end()).max(*bounds.start()))
}

/// When to try again after so many failures in a row.
pub(in crate::access_token) fn after_failure(failures: u32, longest: Duration) -> Duration {
    jittered(FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest))
}

fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without randomness there is no jitter, and nothing worse.
    let _ = rand::fill(&mut random);
    pause.mul_f64(0.9 + 0.2 * f64::from(random[0]) / 255.0)
}

/// A token bucket for refreshes that tokens with unknown key IDs ask for. One refresh answers everybody who waits, and
/// brings every key there is, so a flood of random IDs can use the bucket up without keeping anybody's key away.
pub(super) struct Bucket {
    /// When the bucket will be full again.
    full_at: Instant,
}

impl Bucket {
    /// A bucket that is full now.
    pub(super) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one refresh out of the bucket, and says when it may be made.
    pub(super) fn take(&mut self, now: Instant) -> Instant {
        self.full_at = self.full_at.max(now) + REFILL;
        self.full_at.checked_sub(REFILL * BURST).map_or(now, |earliest| earliest.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_issuers_word_counts_within_bounds() {
        let bounds = 15 * SECOND..=600 * SECOND;
        for (max_age, expected) in [(Some(0), 15), (Some(300), 300), (Some(86_400), 600), (None, 600)] {
            let pause = after_success(max_age.map(Duration::from_secs), &bounds).as_secs_f64();
            let expected = f64::from(expected);
            assert!((0.89 * expected..=1.11 * expected).contains(&pause), "{max_age:?}: {pause}");
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        assert!(after_failure(1, 30 * SECOND) < SECOND);
        assert!(after_failure(4, 30 * SECOND) > 3 * SECOND);
        assert!(after_failure(u32::MAX, 3 * SECOND) <= 4 * SECOND);
    }

    #[test]
    fn a_flood_is_slowed_to_the_refill() {
        let now = Instant::now();
        let mut bucket = Bucket::full(now);
        for _ in 0..BURST {
            assert_eq!(bucket.take(now), now);
        }
        assert_eq!(bucket.take(now), now + REFILL);
        assert_eq!(bucket.take(now + 100 * SECOND), now + 100 * SECOND);
    }
}
