//! How often anybody may come: by address, or by the credentials that are shown.
//!
//! Each rule is a token bucket in memory (GCRA). A request that breaks one of them is refused before anything is done for
//! it: 429, with `Retry-After` and the fields of draft-ietf-httpapi-ratelimit-headers.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
};
use poem::{
    Request, Response,
    http::{HeaderValue, StatusCode, header},
};

use super::{
    client_ip::network_of,
    problem::{Problem, Reason},
};

/// After so many requests the buckets that are full again are forgotten, so that strangers cannot fill the memory.
const FORGET_EVERY: u32 = 10_000;

/// A pace: so many in a time, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The requests of one address; in IPv6, of one /64.
    Ip,
    /// The requests with one `Authorization` or `X-API-Key` header: those of one token, key or client.
    Credentials,
}

/// A rule: who, where, how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    by: By,
    /// The beginning of the paths that it is about; empty: every path.
    path: String,
    rate: Rate,
}

/// The text is no rate, or no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `off`, or rules separated by commas, each of them `ip` or `credentials`, perhaps the beginning of a path, and \
     a rate such as `10/minute` or `50/second burst 100`"
)]
pub struct RuleError;

/// The rules of a service, and what is left of each for everybody.
pub struct RateLimits {
    buckets: Vec<Bucket>,
    hasher: RandomState,
    clock: DefaultClock,
    taken: AtomicU32,
}

struct Bucket {
    rule: Rule,
    limiter: DefaultKeyedRateLimiter<u64, StateInformationMiddleware>,
    policy: String,
}

/// What is left for a request's sender, by the rule that leaves the least.
#[derive(Debug, Default)]
pub(super) struct Standing {
    policies: Vec<String>,
    /// The name of a rule, and how many more requests it lets through now.
    left: Option<(String, u32)>,
    /// How long to wait, if a rule is broken.
    wait: Option<(String, Duration)>,
}

/// Reads the rules of a setting; `off` is none.
pub fn rules(text: &str) -> Result<Vec<Rule>, RuleError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(Vec::new());
    }
    text.split(',').map(str::parse).collect()
}

impl FromStr for Rate {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (rate, burst) = match words.as_slice() {
            [rate] => (*rate, None),
            [rate, "burst", burst] => (*rate, Some(burst.parse().map_err(|_| RuleError)?)),
            _ => return Err(RuleError),
        };
        let (count, unit) = rate.split_once('/').ok_or(RuleError)?;
        let per = match unit {
            "second" => Duration::from_secs(1),
            "minute" => Duration::from_mins(1),
            "hour" => Duration::from_hours(1),
            _ => return Err(RuleError),
        };
        let count: NonZeroU32 = count.parse().map_err(|_| RuleError)?;
        Ok(Self { count, per, burst: burst.unwrap_or(count) })
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (by, rest) = text.trim().split_once(char::is_whitespace).ok_or(RuleError)?;
        let by = match by {
            "ip" => By::Ip,
            "credentials" => By::Credentials,
            _ => return Err(RuleError),
        };
        let rest = rest.trim_start();
        let (path, rate) =
            if rest.starts_with('/') { rest.split_once(char::is_whitespace).ok_or(RuleError)? } else { ("", rest) };
        Ok(Self { by, path: path.to_owned(), rate: rate.parse()? })
    }
}

impl Rule {
    fn name(&self) -> String {
        let by = match self.by {
            By::Ip => "ip",
            By::Credentials => "credentials",
        };
        // Between quotes in a header.
        let path: String = self.path.chars().filter(|char| char.is_ascii_graphic() && !matches!(char, '"' | '\\')).collect();
        format!("{by}{path}")
    }

    fn quota(&self) -> Quota {
        let pause = self.rate.per / self.rate.count.get();
        Quota::with_period(pause).unwrap_or_else(|| Quota::per_second(self.rate.count)).allow_burst(self.rate.burst)
    }
}

impl RateLimits {
    /// The limits that these rules set; none if there are no rules.
    pub fn new(rules: Vec<Rule>) -> Option<Self> {
        let buckets = rules.into_iter().map(|rule| {
            let limiter = RateLimiter::keyed(rule.quota()).with_middleware::<StateInformationMiddleware>();
            let policy = format!("\"{}\";q={};w={}", rule.name(), rule.rate.count, rule.rate.per.as_secs());
            Bucket { rule, limiter, policy }
        });
        let buckets: Vec<_> = buckets.collect();
        let limits = Self { buckets, hasher: RandomState::new(), clock: DefaultClock::default(), taken: AtomicU32::new(0) };
        (!limits.buckets.is_empty()).then_some(limits)
    }

    /// Counts a request, and says where its sender stands.
    pub(super) fn take(&self, request: &Request, client: IpAddr) -> Standing {
        let mut standing = Standing::default();
        let path = request.uri().path();
        if path.starts_with("/health/") {
            return standing;
        }
        self.forget();
        for bucket in self.buckets.iter().filter(|bucket| path.starts_with(&bucket.rule.path)) {
            let key = match bucket.rule.by {
                By::Ip => self.hasher.hash_one(network_of(client)),
                By::Credentials => {
                    let shown = [header::AUTHORIZATION.as_str(), "x-api-key"].map(|name| request.headers().get(name));
                    let Some(shown) = shown.into_iter().flatten().next() else { continue };
                    self.hasher.hash_one(shown.as_bytes())
                }
            };
            standing.policies.push(bucket.policy.clone());
            match bucket.limiter.check_key(&key) {
                Ok(snapshot) => {
                    let left = snapshot.remaining_burst_capacity();
                    if standing.left.as_ref().is_none_or(|(_, least)| left < *least) {
                        standing.left = Some((bucket.rule.name(), left));
                    }
                }
                Err(broken) => {
                    let wait = broken.wait_time_from(self.clock.now());
                    if standing.wait.as_ref().is_none_or(|(_, longest)| wait > *longest) {
                        standing.wait = Some((bucket.rule.name(), wait));
                    }
                }
            }
        }
        standing
    }

    fn forget(&self) {
        if self.taken.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            for bucket in &self.buckets {
                bucket.limiter.retain_recent();
                bucket.limiter.shrink_to_fit();
            }
        }
    }
}

impl Standing {
    /// Refuses the request if it broke a rule.
    pub(super) fn check(&self) -> poem::Result<()> {
        let Some((rule, wait)) = &self.wait else { return Ok(()) };
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS).detail("Too many requests; wait before the next one.");
        let mut refusal: poem::Error = problem.into();
        refusal.set_data(Reason::new(format!("the rate limit {rule} is broken; {} ms to wait", wait.as_millis())));
        Err(refusal)
    }

    /// Tells the sender in the answer's headers.
    pub(super) fn tell(&self, response: &mut Response) {
        let headers = response.headers_mut();
        let value = |text: String| HeaderValue::try_from(text).expect("names and numbers are visible ASCII");
        if !self.policies.is_empty() {
            headers.insert("ratelimit-policy", value(self.policies.join(", ")));
        }
        if let Some((rule, wait)) = &self.wait {
            let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
            headers.insert("ratelimit", value(format!("\"{rule}\";r=0;t={seconds}")));
            headers.insert(header::RETRY_AFTER, seconds.into());
        } else if let Some((rule, left)) = &self.left {
            headers.insert("ratelimit", value(format!("\"{rule}\";r={left}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, authorization: Option<&str>) -> Request {
        let builder = Request::builder().uri(path.parse().unwrap());
        authorization.into_iter().fold(builder, |builder, value| builder.header("authorization", value)).finish()
    }

    fn limits(text: &str) -> RateLimits {
        RateLimits::new(rules(text).unwrap()).unwrap()
    }

    fn is_let_in(limits: &RateLimits, path: &str, authorization: Option<&str>, client: &str) -> bool {
        limits.take(&request(path, authorization), client.parse().unwrap()).check().is_ok()
    }

    #[test]
    fn a_rate_is_read_and_what_is_none_is_refused() {
        let rate: Rate = "50/second burst 100".parse().unwrap();
        assert_eq!((rate.count.get(), rate.per, rate.burst.get()), (50, Duration::from_secs(1), 100));
        assert_eq!("10/minute".parse::<Rate>().unwrap().burst.get(), 10);
        for text in
            ["", "10", "10/day", "0/second", "-1/second", "10/second burst", "10/second burst 0", "10/second 5", "1e3/hour"]
        {
            assert_eq!(text.parse::<Rate>(), Err(RuleError), "{text:?}");
        }
    }

    #[test]
    fn rules_are_read_and_off_is_none() {
        assert_eq!(rules("off"), Ok(Vec::new()));
        let read = rules("ip 100/second burst 400, ip /oauth2/ 10/minute, credentials 5/second").unwrap();
        assert_eq!(read.iter().map(Rule::name).collect::<Vec<_>>(), ["ip", "ip/oauth2/", "credentials"]);
        for text in ["", "on", "ip", "ip /oauth2/", "user 1/second", "ip 1/second,", "ip=1/second"] {
            assert_eq!(rules(text), Err(RuleError), "{text:?}");
        }
    }

    #[test]
    fn one_address_has_its_share_and_nobody_elses() {
        let limits = limits("ip 1/hour burst 2");
        for _ in 0..2 {
            assert!(is_let_in(&limits, "/", None, "192.0.2.1"));
        }
        assert!(!is_let_in(&limits, "/", None, "192.0.2.1"));
        assert!(!is_let_in(&limits, "/", None, "::ffff:192.0.2.1"), "the same address in other clothes");
        assert!(is_let_in(&limits, "/", None, "192.0.2.2"));
        assert!(is_let_in(&limits, "/health/live", None, "192.0.2.1"), "probes are not counted");
    }

    #[test]
    fn a_rl_07_a_network_of_ipv6_is_one_address() {
        let limits = limits("ip 1/hour");
        assert!(is_let_in(&limits, "/", None, "2001:db8::1"));
        assert!(!is_let_in(&limits, "/", None, "2001:db8::ffff:2"));
        assert!(is_let_in(&limits, "/", None, "2001:db8:0:1::1"));
    }

    #[test]
    fn credentials_are_counted_wherever_they_come_from() {
        let limits = limits("credentials 1/hour");
        assert!(is_let_in(&limits, "/", Some("Bearer a"), "192.0.2.1"));
        assert!(!is_let_in(&limits, "/", Some("Bearer a"), "192.0.2.2"));
        assert!(is_let_in(&limits, "/", Some("Bearer b"), "192.0.2.1"));
        assert!(is_let_in(&limits, "/", None, "192.0.2.1"), "whoever shows none is not counted");
    }

    #[test]
    fn a_path_has_a_rule_of_its_own() {
        let limits = limits("ip /oauth2/ 1/hour");
        assert!(is_let_in(&limits, "/oauth2/token", None, "192.0.2.1"));
        assert!(!is_let_in(&limits, "/oauth2/revoke", None, "192.0.2.1"));
        assert!(is_let_in(&limits, "/docs", None, "192.0.2.1"));
    }

    #[test]
    fn the_sender_is_told_what_is_left() {
        let limits = limits("ip 2/hour, credentials 5/minute");
        let mut response = Response::default();
        limits.take(&request("/", Some("Bearer a")), "192.0.2.1".parse().unwrap()).tell(&mut response);
        assert_eq!(response.header("ratelimit-policy"), Some("\"ip\";q=2;w=3600, \"credentials\";q=5;w=60"));
        assert_eq!(response.header("ratelimit"), Some("\"ip\";r=1"));
        limits.take(&request("/", None), "192.0.2.1".parse().unwrap());
        limits.take(&request("/", None), "192.0.2.1".parse().unwrap()).tell(&mut response);
        assert_eq!(response.header("ratelimit"), Some("\"ip\";r=0;t=1800"));
        assert_eq!(response.header("retry-after"), Some("1800"));
    }
}
