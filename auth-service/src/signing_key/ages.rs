//! How old the signing keys are, for metrics: whether they are being changed can be seen before anybody is refused.

use std::sync::Arc;

use shared::server::metrics::Metrics;

use super::{KeyRing, Lifecycle, State, state_of};
use crate::{clock, store::SigningKeyRow};

/// The states of keys that are listed.
const STATES: [State; 3] = [State::Announced, State::Active, State::Retiring];

impl KeyRing {
    /// Publishes how old the keys are, and how old they should get.
    pub(crate) fn publish(self: &Arc<Self>, lifecycle: Lifecycle, metrics: &Metrics) {
        let ring = Arc::clone(self);
        metrics.read(move |snapshot| {
            let (now, rows) = (clock::now(), ring.rows());
            let in_state = |state| rows.iter().filter(move |row| state_of(row, now) == state);
            let ages = STATES.into_iter().filter_map(|state| {
                let oldest = in_state(state).map(|row| now - since(row, state)).max()?;
                Some((state.name(), seconds(oldest)))
            });
            let counts =
                STATES.map(|state| (state.name(), f64::from(u32::try_from(in_state(state).count()).unwrap_or(u32::MAX))));
            snapshot.gauges("signing_key_age_seconds", "How long the oldest key of a state has been in it", "state", ages)?;
            snapshot.gauges("signing_keys", "Keys that are listed, by state", "state", counts)?;
            let (period, announce) = (lifecycle.period.as_secs_f64(), lifecycle.announce.as_secs_f64());
            snapshot.gauge("signing_key_rotation_period_seconds", "How long a key is to sign", period)?;
            snapshot.gauge("signing_key_announce_period_seconds", "How long a key is to be listed before it signs", announce)
        });
    }
}

/// When a key got into the state it is in.
fn since(row: &SigningKeyRow, state: State) -> i64 {
    match state {
        State::Announced => row.announced_at,
        State::Active => row.sign_from,
        State::Retiring => row.sign_until.unwrap_or(row.sign_from),
        State::Retired => row.verify_until.unwrap_or(row.sign_from),
        State::Revoked => row.revoked_at.unwrap_or(row.sign_from),
    }
}

fn seconds(duration: i64) -> f64 {
    f64::from(i32::try_from(duration).unwrap_or(i32::MAX))
}
