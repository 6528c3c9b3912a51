//! Credentials that were refused, by reason.

use super::Metrics;
use crate::guard::Refusals;

impl Metrics {
    /// Publishes what guards refused.
    pub fn publish_refusals(&self, refusals: &Refusals) {
        let refusals = refusals.clone();
        self.read(move |snapshot| {
            snapshot.counters("access_token_rejections", "Requests whose credentials were refused", "reason", refusals.counted())
        });
    }
}
