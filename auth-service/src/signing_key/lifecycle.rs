//! When a key does what: the states, and the arithmetic behind the intervals.

use std::time::Duration;

use shared::access_token::LEEWAY;

use crate::{clock, store::SigningKeyRow};

/// How far the clocks of two machines may be apart.
pub(crate) const SKEW: Duration = Duration::from_mins(1);
/// A verifier may keep the key set this long, and asks again within ten percent of that (its jitter).
const MAX_AGE: Duration = Duration::from_mins(5);
/// How long other verifiers keep a key set by their own setting, whatever we say.
const FOREIGN_CACHE: Duration = Duration::from_mins(11);

/// What a key does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Listed, and not signing yet.
    Announced,
    /// Signing.
    Active,
    /// Listed for what it signed, and not signing any more.
    Retiring,
    /// Not listed any more.
    Retired,
    /// Not listed since an operator said so: whatever it signed is worthless.
    Revoked,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    /// Whether the key set holds the key.
    pub(crate) const fn is_listed(self) -> bool {
        match self {
            Self::Announced | Self::Active | Self::Retiring => true,
            Self::Retired | Self::Revoked => false,
        }
    }
}

/// What a key does at this moment.
pub(crate) fn state_of(key: &SigningKeyRow, now: i64) -> State {
    if key.revoked_at.is_some() {
        State::Revoked
    } else if now < key.sign_from {
        State::Announced
    } else if key.sign_until.is_none_or(|end| now < end) {
        State::Active
    } else if key.verify_until.is_none_or(|end| now < end) {
        State::Retiring
    } else {
        State::Retired
    }
}

/// The intervals of a key's life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifecycle {
    /// How long a key signs.
    pub(crate) period: Duration,
    /// How long it is listed before it signs.
    pub(crate) announce: Duration,
    /// The longest that a token lives.
    pub(crate) longest_token: Duration,
}

impl Lifecycle {
    /// The shortest announcement that reaches every verifier: what the key set's `max-age` allows, then what a verifier's
    /// own cache adds, then the clocks.
    pub(crate) const fn shortest_announcement() -> Duration {
        MAX_AGE.saturating_add(FOREIGN_CACHE).saturating_add(SKEW)
    }

    /// How long a verifier may keep the key set. A short announcement, as tests make it, shortens it too.
    pub(crate) fn max_age(&self) -> Duration {
        MAX_AGE.min(self.announce / 4)
    }

    /// How long a key is listed after it stopped: until its last token has ended by every verifier's clock.
    pub(crate) fn retire(&self) -> i64 {
        clock::seconds(self.longest_token + LEEWAY + SKEW)
    }

    /// When the successor of a key that signs should be announced.
    pub(crate) fn announce_at(&self, sign_from: i64) -> i64 {
        sign_from + clock::seconds(self.period) - clock::seconds(self.announce)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        State::{Active, Announced, Retired, Retiring},
        *,
    };

    fn key(sign_from: i64, sign_until: Option<i64>, verify_until: Option<i64>) -> SigningKeyRow {
        SigningKeyRow {
            id: "key".to_owned(),
            slot: 1,
            algorithm: "RS256".to_owned(),
            public_jwk: String::new(),
            sealed: None,
            announced_at: 0,
            sign_from,
            sign_until,
            verify_until,
            revoked_at: None,
        }
    }

    #[test]
    fn a_key_goes_through_its_states_by_the_clock() {
        let key = key(10, Some(20), Some(30));
        let states = [9, 10, 19, 20, 29, 30].map(|now| state_of(&key, now));
        assert_eq!(states, [Announced, Active, Active, Retiring, Retiring, Retired]);
    }

    #[test]
    fn the_shortest_announcement_is_the_sum_of_what_can_delay_a_key() {
        assert_eq!(Lifecycle::shortest_announcement(), Duration::from_mins(17));
    }
}
