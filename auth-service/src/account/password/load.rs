//! How busy the slots for password hashes are.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};
use shared::server::metrics::Metrics;

use super::{MAX_WAITING, PasswordHashing};

/// From a slot that is free to one that is waited for in vain, in seconds.
const WAITS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];
/// From the cheapest hash that is allowed to one on a machine that does much else, in seconds.
const DURATIONS: [f64; 10] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0];

/// What is counted while hashes are waited for and made.
pub(super) struct Load {
    waits: Histogram,
    durations: Histogram,
    turned_away: Family<Cause, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    reason: &'static str,
}

impl Default for Load {
    fn default() -> Self {
        let turned_away = Family::default();
        for reason in ["queue_full", "waited_too_long"] {
            drop(turned_away.get_or_create(&Cause { reason }));
        }
        Self { waits: Histogram::new(WAITS), durations: Histogram::new(DURATIONS), turned_away }
    }
}

impl Load {
    pub(super) fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    pub(super) fn hashed(&self, duration: Duration) {
        self.durations.observe(duration.as_secs_f64());
    }

    pub(super) fn turned_away(&self, reason: &'static str) {
        self.turned_away.get_or_create(&Cause { reason }).inc();
    }
}

impl PasswordHashing {
    /// Publishes how busy it is.
    pub(crate) fn publish(&self, metrics: &Metrics) {
        let load = &self.shared.load;
        metrics.register(|registry| {
            registry.register("password_hash_wait_seconds", "How long a slot was waited for", load.waits.clone());
            registry.register(
                "password_hash_duration_seconds",
                "How long a hash took once it had a slot",
                load.durations.clone(),
            );
            registry.register(
                "password_hash_turned_away",
                "Hashes that were not made for want of a slot",
                load.turned_away.clone(),
            );
        });
        let slots = Arc::clone(&self.shared);
        let number = |value: usize| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
        metrics.read(move |snapshot| {
            let in_use = slots.permits_total.saturating_sub(slots.permits.available_permits());
            let present = (slots.permits_total + MAX_WAITING).saturating_sub(slots.waiting.available_permits());
            snapshot.gauge("password_hash_permits", "Hashes that may be made at a time", number(slots.permits_total))?;
            snapshot.gauge("password_hash_permits_in_use", "Hashes that are being made", number(in_use))?;
            snapshot.gauge(
                "password_hash_queue_depth",
                "Callers that wait for a slot",
                number(present.saturating_sub(in_use)),
            )?;
            snapshot.gauge("password_hash_queue_limit", "Callers that may wait for a slot", number(MAX_WAITING))
        });
    }
}
