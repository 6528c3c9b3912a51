//! How it stands with what the issuer says: its keys and its revocations, for metrics.

use std::time::Duration;

use shared::{
    access_token::{IssuerKeys, Revocations},
    server::metrics::Metrics,
};

/// Publishes how the issuer is followed.
pub(crate) fn publish(keys: &IssuerKeys, revocations: &Revocations, metrics: &Metrics) {
    let keys = keys.clone();
    metrics.read(move |snapshot| {
        let state = keys.state();
        let results = [("success", state.attempts.saturating_sub(state.failures)), ("failure", state.failures)];
        snapshot.counters("jwks_refresh", "Attempts to fetch the issuer's keys", "result", results)?;
        snapshot.gauge("jwks_keys", "The issuer's keys at hand", number(state.key_ids.len()))?;
        snapshot.gauge("jwks_usable", "Whether there are keys that may be trusted: 1 or 0", f64::from(u8::from(state.usable)))?;
        snapshot.gauge(
            "jwks_max_stale_seconds",
            "How long keys count that the issuer does not confirm",
            seconds(state.max_stale),
        )?;
        match state.age {
            Some(age) => snapshot.gauge("jwks_age_seconds", "How long ago the issuer confirmed its keys", seconds(age)),
            None => Ok(()),
        }
    });
    let revocations = revocations.clone();
    metrics.read(move |snapshot| {
        let Some(state) = revocations.state() else { return Ok(()) };
        let results = [("success", state.rounds.saturating_sub(state.failed_rounds)), ("failure", state.failed_rounds)];
        snapshot.counters("revocations_refresh", "Rounds to refresh the issuer's status lists", "result", results)?;
        snapshot.gauge("status_lists", "Status lists that are followed", number(state.lists))?;
        snapshot.gauge(
            "status_lists_fresh",
            "Whether every one of them is young enough: 1 or 0",
            f64::from(u8::from(state.fresh)),
        )?;
        snapshot.gauge("status_list_max_stale_seconds", "How old a status list may be", seconds(state.max_stale))?;
        // Without a list there is none that is old.
        let age = seconds(state.oldest.unwrap_or_default());
        snapshot.gauge("status_list_age_seconds", "How long ago the oldest of them was confirmed", age)?;
        let unchecked = f64::from(u32::try_from(state.unchecked).unwrap_or(u32::MAX));
        snapshot.counter("access_tokens_unchecked", "Tokens taken without knowing whether they were revoked", unchecked)
    });
}

fn number(value: usize) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}

const fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
