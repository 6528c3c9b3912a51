//! Buckets in Redis or Valkey, which all replicas share.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use redis::{RedisError, Script, ScriptInvocation, aio::MultiplexedConnection};

use super::{
    RedisUrl, Spend, Verdict,
    link::{Link, Probe},
    rule::Rule,
};
use crate::server::metrics::Metrics;

/// How long a request waits for the answer. After that it is counted here.
const WAIT: Duration = Duration::from_millis(75);
/// How much of the digest is in a key: enough that no two are the same by chance.
const DIGEST_LEN: usize = 16;

/// The buckets of one service.
pub(super) struct Redis {
    link: Link,
    script: Script,
    keys: Keys,
}

/// What the buckets are called.
struct Keys {
    /// For people who look into Redis.
    prefix: String,
    /// What tells two installations apart.
    name: String,
    secret: hmac::Key,
}

impl Redis {
    /// The buckets of the service that goes by this name, reachable or not.
    pub(super) async fn connect(url: &RedisUrl, service: &str, name: &str, metrics: &Metrics) -> Self {
        let script = Script::new(include_str!("gcra.lua"));
        let keys = Keys { prefix: format!("{service}:rate"), name: name.to_owned(), secret: url.secret() };
        let link = Link::keep(url, Probe { script: script.clone(), key: format!("{}:probe", keys.prefix) }, metrics).await;
        Self { link, script, keys }
    }

    /// What each rule says; nothing if Redis does not answer.
    pub(super) async fn take(&self, rules: &[Rule], spends: &[Spend]) -> Option<Vec<Verdict>> {
        let connection = self.link.connection()?;
        let mut call = self.script.prepare_invoke();
        for Spend { rule, who } in spends {
            let rule = &rules[*rule];
            add(&mut call, &self.keys.of(rule, who), rule.rate.pause(), rule.rate.burst.get());
        }
        let answered = tokio::time::timeout(WAIT, run(&call, MultiplexedConnection::clone(&connection))).await;
        match answered {
            Ok(Ok(answers)) if answers.len() == spends.len() => {
                self.link.succeeded();
                Some(answers.into_iter().map(Verdict::read).collect())
            }
            Ok(Ok(_)) => self.link.failed(&connection, &"the answer is of another length", false),
            Ok(Err(error)) => self.link.failed(&connection, &error, error.is_connection_dropped()),
            Err(_) => self.link.failed(&connection, &"there was no answer in time", false),
        }
    }
}

/// Adds a bucket to what the script is called with.
pub(super) fn add(call: &mut ScriptInvocation<'_>, bucket: &str, pause: Duration, burst: u32) {
    call.key(bucket).arg(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX)).arg(burst);
}

/// Calls the script.
pub(super) async fn run(call: &ScriptInvocation<'_>, mut connection: MultiplexedConnection) -> Result<Vec<i64>, RedisError> {
    call.invoke_async(&mut connection).await
}

impl Verdict {
    fn read(answer: i64) -> Self {
        u32::try_from(answer).map_or_else(|_| Self::Wait(Duration::from_micros(answer.unsigned_abs())), Self::Left)
    }
}

impl Keys {
    /// The bucket of somebody under a rule. Whoever reads it learns the rule, not the address or token: what tells them apart
    /// is under an HMAC, and goes away when the bucket is full.
    fn of(&self, rule: &Rule, who: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.secret);
        // A rule with another rate has buckets of its own.
        for part in [self.name.as_bytes(), format!("{rule:?}").as_bytes(), who] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let digest = BASE64_URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..DIGEST_LEN]);
        format!("{}:{}:{digest}", self.prefix, rule.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rules, *};

    fn keys(name: &str, password: &str) -> Keys {
        let secret = RedisUrl::parse(&format!("redis://:{password}@localhost")).unwrap().secret();
        Keys { prefix: "auth-service:rate".to_owned(), name: name.to_owned(), secret }
    }

    #[test]
    fn a_key_names_the_rule_and_nobody() {
        let rule = &rules("ip /oauth2/ 10/minute").unwrap()[0];
        let key = keys("https://login.example", "s3cret").of(rule, b"192.0.2.1");
        assert!(key.starts_with("auth-service:rate:ip/oauth2/:") && !key.contains("192.0.2.1"), "{key}");
        assert_eq!(key, keys("https://login.example", "s3cret").of(rule, b"192.0.2.1"), "the same on every replica");
    }

    #[test]
    fn whatever_differs_has_a_bucket_of_its_own() {
        let rules = rules("ip 10/minute, ip 20/minute").unwrap();
        let here = keys("https://login.example", "s3cret");
        let known = here.of(&rules[0], b"192.0.2.1");
        for other in [
            here.of(&rules[0], b"192.0.2.2"),
            here.of(&rules[1], b"192.0.2.1"),
            keys("https://other.example", "s3cret").of(&rules[0], b"192.0.2.1"),
            keys("https://login.example", "other").of(&rules[0], b"192.0.2.1"),
        ] {
            assert_ne!(other, known);
        }
    }
}
