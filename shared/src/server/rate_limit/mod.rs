//! How often anybody may come: by address, by the credentials that are shown, or by who has proved to come.
//!
//! Each rule ([`Rule`]) gives everybody a bucket (GCRA). The buckets are in `memory`, or in `redis` where several replicas
//! share them; `link` is the connection to it, and while that is lost each replica counts by itself. A request has an
//! [`Allowance`] from its arrival to its answer. One that breaks a rule is refused before anything is done for it: 429, with
//! `Retry-After` and the fields of draft-ietf-httpapi-ratelimit-headers (`standing`).

mod allowance;
mod link;
mod memory;
mod redis;
mod rule;
mod standing;

use std::{sync::Arc, time::Duration};

pub use self::{
    allowance::{Allowance, Client, Identity, TooManyRequests},
    link::RedisUrl,
    rule::{Rate, Rule, RuleError, rules},
};
use self::{memory::Memory, redis::Redis};
use super::metrics::Metrics;

/// The rules of a service, and what is left of each for everybody.
pub struct RateLimits {
    rules: Vec<Rule>,
    own: Memory,
    shared: Option<Redis>,
}

/// A request that is counted under a rule.
struct Spend {
    rule: usize,
    /// What it is counted with.
    who: Vec<u8>,
}

/// What a rule says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is let in, and so many more would be now.
    Left(u32),
    /// It is too early by this much.
    Wait(Duration),
}

impl RateLimits {
    /// The limits that these rules set on one replica; none if there are no rules.
    pub fn new(rules: Vec<Rule>) -> Option<Self> {
        (!rules.is_empty()).then(|| Self { own: Memory::new(&rules), rules, shared: None })
    }

    /// The same, counted together with all replicas of the service that go by this name and use the same Redis (or Valkey),
    /// as long as it can be reached. If it cannot be reached now, that is no reason not to start.
    pub async fn start(
        rules: Vec<Rule>,
        redis: Option<&RedisUrl>,
        service: &str,
        name: &str,
        metrics: &Metrics,
    ) -> Option<Arc<Self>> {
        let mut limits = Self::new(rules)?;
        if let Some(url) = redis {
            limits.shared = Some(Redis::connect(url, service, name, metrics).await);
        }
        Some(Arc::new(limits))
    }

    /// Counts a request under all these rules, whether or not it breaks one of them.
    async fn take(&self, spends: &[Spend]) -> Vec<Verdict> {
        if let Some(redis) = &self.shared
            && let Some(verdicts) = Box::pin(redis.take(&self.rules, spends)).await
        {
            return verdicts;
        }
        spends.iter().map(|spend| self.own.take(spend.rule, &spend.who)).collect()
    }
}

#[cfg(test)]
mod tests;
