//! What a request's sender is told about the limits.

use std::time::Duration;

use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};

use super::{Verdict, rule::Rule};
use crate::server::problem::{Problem, Reason};

/// What is left for a request's sender, by the rule that leaves the least.
#[derive(Debug, Default)]
pub(super) struct Standing {
    policies: Vec<String>,
    /// The name of a rule, and how many more requests it lets through now.
    left: Option<(String, u32)>,
    /// The rule that is broken for the longest time.
    broken: Option<Broken>,
}

/// A rule that a request broke, and how long to wait.
#[derive(Clone, Debug)]
struct Broken {
    rule: String,
    wait: Duration,
}

/// A request came too often: 429.
#[derive(Clone, Debug, thiserror::Error)]
#[error("Too many requests; wait before the next one.")]
pub struct TooManyRequests {
    rule: String,
    /// When the next one will be let in.
    pub retry_after: Duration,
}

impl Standing {
    /// Adds what a rule says.
    pub(super) fn add(&mut self, rule: &Rule, verdict: &Verdict) {
        self.policies.push(rule.policy());
        match *verdict {
            Verdict::Left(left) => {
                if self.left.as_ref().is_none_or(|(_, least)| left < *least) {
                    self.left = Some((rule.name(), left));
                }
            }
            Verdict::Wait(wait) => {
                if self.broken.as_ref().is_none_or(|broken| wait > broken.wait) {
                    self.broken = Some(Broken { rule: rule.name(), wait });
                }
            }
        }
    }

    /// Refuses the request if it broke a rule.
    pub(super) fn check(&self) -> Result<(), TooManyRequests> {
        match &self.broken {
            None => Ok(()),
            Some(Broken { rule, wait }) => Err(TooManyRequests { rule: rule.clone(), retry_after: *wait }),
        }
    }

    /// Tells the sender in the answer's headers.
    pub(super) fn tell(&self, response: &mut Response) {
        let headers = response.headers_mut();
        let value = |text: String| HeaderValue::try_from(text).expect("names and numbers are visible ASCII");
        if !self.policies.is_empty() {
            headers.insert("ratelimit-policy", value(self.policies.join(", ")));
        }
        if let Some(Broken { rule, wait }) = &self.broken {
            let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
            headers.insert("ratelimit", value(format!("\"{rule}\";r=0;t={seconds}")));
            headers.insert(header::RETRY_AFTER, seconds.into());
        } else if let Some((rule, left)) = &self.left {
            headers.insert("ratelimit", value(format!("\"{rule}\";r={left}")));
        }
    }
}

impl From<TooManyRequests> for poem::Error {
    fn from(error: TooManyRequests) -> Self {
        let mut refusal: Self = Problem::new(StatusCode::TOO_MANY_REQUESTS).detail(error.to_string()).into();
        let TooManyRequests { rule, retry_after } = error;
        refusal.set_data(Reason::new(format!("the rate limit {rule} is broken; {} ms to wait", retry_after.as_millis())));
        refusal
    }
}
