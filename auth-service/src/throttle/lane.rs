//! The arithmetic of a lane: how long the next guess must wait, and what a guess leaves behind.
//!
//! A lane counts failures. Guesses that are being checked are pending: they are within the caps, but make nobody wait, so
//! that any number of right passwords may come at once.

use crate::store::login_attempt::{Kind, Model as Lane};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;
/// How long an account at a client stays familiar to a network after a login.
pub(super) const FAMILIAR: i64 = 30 * DAY;

/// Failures within a day that close an account's lane until the day is over (NIST SP 800-63B-4 §3.2.2).
const ACCOUNT_CAP: i32 = 100;
/// How long to wait after so many failures: the steps of kanidm's soft lock.
const STEPS: [(i32, i64); 4] = [(3, SECOND), (9, 3 * SECOND), (25, 5 * SECOND), (ACCOUNT_CAP, 10 * SECOND)];
/// Failures of a network: this many at once, then one every six seconds.
const SOURCE: Bucket = Bucket { burst: 10, every: 6 * SECOND };
/// Wrong secrets for one client or key from one network: twenty a minute.
const SECRET: Bucket = Bucket { burst: 20, every: 3 * SECOND };
/// So many different names within three hours are no person's mistakes.
pub(super) const MAX_NAMES: u64 = 15;
pub(super) const NAMES_WINDOW: i64 = 3 * 60 * MINUTE;
/// How many guesses may be checked at a time in one lane.
const MAX_PENDING: i32 = 64;
/// A guess that was not given back after this time was a failure: whoever checked it is gone.
const PENDING: i64 = 30 * SECOND;

struct Bucket {
    burst: i32,
    every: i64,
}

/// How long a guess must wait, in milliseconds; zero: it need not. Brings the lane up to date on the way.
pub(super) fn wait(lane: &mut Lane, now: i64) -> i64 {
    settle(lane, now);
    if lane.closed_until > now {
        return lane.closed_until - now;
    }
    let wait = match lane.kind {
        Kind::Account | Kind::Familiar => account_wait(lane, now),
        Kind::Source => bucket_wait(lane, &SOURCE, now),
        Kind::Secret => bucket_wait(lane, &SECRET, now),
    };
    if wait <= 0 && lane.pending >= MAX_PENDING { SECOND } else { wait.max(0) }
}

fn account_wait(lane: &Lane, now: i64) -> i64 {
    if lane.failures >= ACCOUNT_CAP {
        return lane.since + DAY - now;
    }
    if lane.failures + lane.pending >= ACCOUNT_CAP {
        return SECOND;
    }
    let step = STEPS.iter().find(|(below, _)| lane.failures < *below).map_or(0, |(_, step)| *step);
    if lane.failures == 0 { 0 } else { lane.failed_at + step - now }
}

const fn bucket_wait(lane: &Lane, bucket: &Bucket, now: i64) -> i64 {
    if lane.failures >= bucket.burst { lane.since + bucket.every - now } else { 0 }
}

/// Takes a guess in: it is pending until it succeeds, fails or is given back.
pub(super) fn reserve(lane: &mut Lane, now: i64) {
    lane.pending += 1;
    lane.pending_until = now + PENDING;
    tidy(lane, now);
}

/// Gives a guess back.
pub(super) fn release(lane: &mut Lane, now: i64) {
    settle(lane, now);
    lane.pending = (lane.pending - 1).max(0);
    tidy(lane, now);
}

/// Counts a guess that was wrong.
pub(super) fn fail(lane: &mut Lane, now: i64) {
    settle(lane, now);
    if lane.failures == 0 {
        lane.since = now;
    }
    lane.failures += 1;
    lane.failed_at = now;
    tidy(lane, now);
}

/// Notes that a guess was right. It takes nothing back that was wrong before.
pub(super) fn succeed(lane: &mut Lane, now: i64) {
    lane.succeeded_at = Some(now);
    tidy(lane, now);
}

/// Closes a lane for a day.
pub(super) fn close(lane: &mut Lane, now: i64) {
    lane.closed_until = now + DAY;
    tidy(lane, now);
}

/// Forgets what is too old to count, and no longer waits for guesses that nobody will give back. A clock that was set back
/// must not keep anybody waiting for longer than the clock that runs would.
fn settle(lane: &mut Lane, now: i64) {
    lane.since = lane.since.min(now);
    lane.failed_at = lane.failed_at.min(now);
    lane.closed_until = lane.closed_until.min(now + DAY);
    lane.pending_until = lane.pending_until.min(now + PENDING);
    if lane.pending > 0 && lane.pending_until <= now {
        if lane.failures == 0 {
            lane.since = now;
        }
        lane.failures += lane.pending;
        lane.failed_at = now;
        lane.pending = 0;
    }
    match lane.kind {
        Kind::Account | Kind::Familiar => {
            if lane.since + DAY <= now {
                lane.failures = 0;
            }
        }
        Kind::Source => leak(lane, &SOURCE, now),
        Kind::Secret => leak(lane, &SECRET, now),
    }
    if lane.failures == 0 {
        (lane.since, lane.failed_at) = (0, 0);
    }
}

fn leak(lane: &mut Lane, bucket: &Bucket, now: i64) {
    let leaked = (now - lane.since) / bucket.every;
    lane.failures = i32::try_from((i64::from(lane.failures) - leaked).max(0)).unwrap_or(i32::MAX);
    lane.since += leaked * bucket.every;
}

/// Says until when the lane must be kept, and clears what means nothing any more.
fn tidy(lane: &mut Lane, now: i64) {
    if lane.pending == 0 {
        lane.pending_until = 0;
    }
    if lane.closed_until <= now {
        lane.closed_until = 0;
    }
    let counted = match lane.kind {
        Kind::Account | Kind::Familiar => lane.since + DAY,
        Kind::Source => now + i64::from(lane.failures) * SOURCE.every,
        Kind::Secret => now + i64::from(lane.failures) * SECRET.every,
    };
    let familiar = lane.succeeded_at.map_or(0, |at| at + FAMILIAR);
    // A pending guess becomes a failure, which is to be counted in turn.
    let pending = if lane.pending > 0 { lane.pending_until + DAY } else { 0 };
    lane.expires_at = counted.max(familiar).max(pending).max(lane.closed_until);
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000_000;

    fn lane(kind: Kind) -> Lane {
        Lane::empty("key", kind)
    }

    fn failed(kind: Kind, failures: i32) -> Lane {
        let mut lane = lane(kind);
        (0..failures).for_each(|_| fail(&mut lane, START));
        lane
    }

    #[test]
    fn the_wait_grows_with_the_failures_and_a_hundred_close_the_account_for_a_day() {
        for (failures, seconds) in [(0, 0), (1, 1), (2, 1), (3, 3), (8, 3), (9, 5), (24, 5), (25, 10), (99, 10), (100, 86_400)] {
            for kind in [Kind::Account, Kind::Familiar] {
                let mut lane = failed(kind, failures);
                assert_eq!(wait(&mut lane, START), seconds * SECOND, "{failures}");
                assert_eq!(wait(&mut lane, START + seconds * SECOND), 0, "{failures}");
            }
        }
        assert_eq!(wait(&mut failed(Kind::Account, 100), START + DAY - SECOND), SECOND);
        let mut over = failed(Kind::Account, 100);
        assert_eq!((wait(&mut over, START + DAY), over.failures), (0, 0));
    }

    #[test]
    fn pending_guesses_make_nobody_wait_but_are_within_the_cap() {
        let mut lane = failed(Kind::Account, 50);
        let later = START + 10 * SECOND;
        for _ in 0..50 {
            assert_eq!(wait(&mut lane, later), 0);
            reserve(&mut lane, later);
        }
        assert_eq!(wait(&mut lane, later), SECOND, "fifty wrong ones and fifty that may be");
        release(&mut lane, later);
        assert_eq!(wait(&mut lane, later), 0);
    }

    #[test]
    fn a_guess_that_nobody_gives_back_was_a_failure() {
        let mut lane = lane(Kind::Account);
        reserve(&mut lane, START);
        assert_eq!(wait(&mut lane, START + PENDING - 1), 0);
        wait(&mut lane, START + PENDING);
        assert_eq!((lane.failures, lane.pending), (1, 0));
    }

    #[test]
    fn a_network_has_ten_failures_at_once_and_one_more_every_six_seconds() {
        let mut lane = failed(Kind::Source, 10);
        assert_eq!(wait(&mut lane, START), 6 * SECOND);
        assert_eq!(wait(&mut lane, START + 6 * SECOND), 0);
        fail(&mut lane, START + 6 * SECOND);
        assert_eq!(wait(&mut lane, START + 6 * SECOND), 6 * SECOND);
        assert_eq!(wait(&mut failed(Kind::Source, 9), START), 0);
        assert_eq!(wait(&mut failed(Kind::Secret, 19), START), 0);
        assert_eq!(wait(&mut failed(Kind::Secret, 20), START), 3 * SECOND);
    }

    #[test]
    fn a_success_takes_nothing_back() {
        let mut lane = failed(Kind::Familiar, 5);
        reserve(&mut lane, START);
        release(&mut lane, START);
        succeed(&mut lane, START);
        assert_eq!(lane.failures, 5);
        assert_eq!(lane.expires_at, START + FAMILIAR);
    }

    #[test]
    fn a_lane_without_anything_on_it_is_empty_again() {
        for kind in [Kind::Account, Kind::Familiar, Kind::Source, Kind::Secret] {
            let mut lane = lane(kind);
            assert_eq!(wait(&mut lane, START), 0);
            assert_eq!(lane, Lane::empty("key", kind), "to look at it leaves nothing");
            reserve(&mut lane, START);
            release(&mut lane, START);
            assert_eq!(Lane { expires_at: 0, ..lane }, Lane::empty("key", kind));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_neither_freezes_a_lane_nor_opens_it() {
        let mut steps = failed(Kind::Account, 30);
        assert_eq!(wait(&mut steps, START - 3_600 * SECOND), 10 * SECOND);
        let mut closed = lane(Kind::Source);
        close(&mut closed, START);
        assert_eq!(wait(&mut closed, START - 3_600 * SECOND), DAY);
        let mut full = failed(Kind::Source, 10);
        assert_eq!(wait(&mut full, START - 3_600 * SECOND), 6 * SECOND);
    }
}
