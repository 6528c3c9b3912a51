//! Replicas count together how often anybody comes, as long as Redis is there, and each for itself while it is not.
//!
//! These tests need a server: `TEST_REDIS_URL`. Without it they say that they have nothing to say.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use auth_service::Config;
use redis::AsyncCommands;
use shared::server::rate_limit::{RedisUrl, rules};
use tests::{Answer, AuthHome, AuthProgram, AuthServer, Http, PATIENCE, TestRedis, free_address, until};
use tokio::time::timeout;

/// Two homes with one name, which nobody else has: what they have in common is Redis.
struct Installation {
    issuer: String,
    redis: TestRedis,
    homes: [AuthHome; 2],
}

impl Installation {
    async fn new() -> Option<Self> {
        let redis = TestRedis::reach().await?;
        let homes = [AuthHome::new().await, AuthHome::new().await];
        // A directory has a name of its own, and so has the installation.
        let name = homes[0].directory().file_name().and_then(|name| name.to_str()).expect("a directory with a name");
        let name = name.trim_start_matches('.').to_ascii_lowercase();
        Some(Self { issuer: format!("http://{name}.localhost"), redis, homes })
    }

    fn settings(&self, limits: &str) -> impl FnOnce(&mut Config) + use<> {
        let (rules, redis) = (rules(limits).expect("these are rules"), RedisUrl::parse(self.redis.url()).expect("a URL"));
        let issuer = self.issuer.clone();
        move |config| {
            config.rate_limits = rules;
            config.redis = Some(redis);
            config.issuer = Some(issuer);
            config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        }
    }

    async fn start(&self, home: usize, limits: &str) -> AuthServer {
        self.homes[home].start(self.settings(limits)).await.expect("it starts")
    }

    async fn start_with_metrics(&self, limits: &str) -> (AuthServer, Metrics) {
        let address = free_address();
        let settings = self.settings(limits);
        let server = self.homes[0].start(|config| {
            settings(config);
            config.metrics_listen = Some(address);
        });
        (server.await.expect("it starts"), Metrics(address))
    }
}

struct Metrics(SocketAddr);

impl Metrics {
    async fn is_shared(&self) -> bool {
        let text = Http::at(format!("http://{}", self.0)).get("/metrics").send().await.text().to_owned();
        let value = text.lines().find_map(|line| line.strip_prefix("rate_limits_shared ")).map(str::to_owned);
        value.unwrap_or_else(|| panic!("no such metric:\n{text}")) == "1"
    }

    async fn await_shared(&self, expected: bool) {
        until("it is noticed", async || self.is_shared().await == expected).await;
    }
}

async fn come(auth: &AuthServer, from: &str) -> Answer {
    auth.http().get("/.well-known/jwks.json").header("x-forwarded-for", from).send().await
}

#[tokio::test]
async fn two_replicas_share_one_limit_and_a_restart_forgets_nothing() {
    let Some(installation) = Installation::new().await else { return };
    let limits = "ip 3/hour";
    let (one, other) = (installation.start(0, limits).await, installation.start(1, limits).await);

    for (replica, left) in [(&one, 2), (&other, 1), (&one, 0)] {
        let answer = come(replica, "192.0.2.1").await;
        answer.assert_ok();
        assert_eq!(answer.header("ratelimit"), Some(&*format!("\"ip\";r={left}")));
        assert_eq!(answer.header("ratelimit-policy"), Some("\"ip\";q=3;w=3600"));
    }

    for replica in [&other, &one] {
        let refused = come(replica, "192.0.2.1").await;
        refused.assert_problem(429);
        let seconds: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("a number of seconds");
        assert!((1..=1200).contains(&seconds), "{refused}");
        assert_eq!(refused.header("ratelimit"), Some(&*format!("\"ip\";r=0;t={seconds}")));
    }
    come(&other, "192.0.2.2").await.assert_ok();

    one.stop().await;
    let again = installation.start(0, limits).await;
    come(&again, "192.0.2.1").await.assert_problem(429);
}

#[tokio::test]
async fn what_is_shared_counts_like_what_is_not() {
    let Some(installation) = Installation::new().await else { return };
    let limits = "ip 6/hour burst 3, credentials /.well-known/ 2/minute burst 4, ip /.well-known/jwks 9/hour";
    let shared = installation.start(0, limits).await;
    let own = installation.homes[1].start(|config| config.rate_limits = rules(limits).expect("these are rules"));
    let own = own.await.expect("it starts");

    for credentials in [Some("Bearer a"), None, Some("Bearer a"), Some("Bearer b"), None] {
        let come = async |auth: &AuthServer| {
            let call = auth.http().get("/.well-known/jwks.json");
            let answer = credentials.into_iter().fold(call, |call, value| call.header("authorization", value)).send().await;
            // The seconds may differ, by the one that passes in between.
            let limit = answer.header("ratelimit").expect("what is left").split(";t=").next().map(str::to_owned);
            (answer.status(), limit, answer.header("ratelimit-policy").map(str::to_owned))
        };
        assert_eq!(come(&shared).await, come(&own).await, "{credentials:?}");
    }
}

#[tokio::test]
async fn without_redis_a_replica_counts_by_itself_and_goes_back_when_it_returns() {
    let Some(installation) = Installation::new().await else { return };
    let lines = Lines::default();
    let _logging = lines.collect();
    let (auth, metrics) = installation.start_with_metrics("ip 2/hour").await;
    assert!(metrics.is_shared().await);
    for _ in 0..2 {
        come(&auth, "192.0.2.1").await.assert_ok();
    }

    for outage in 1..=2 {
        installation.redis.close();
        // Nobody is refused because of it. Here nobody has come yet.
        for status in [200, 200, 429] {
            assert_eq!(come(&auth, &format!("198.51.100.{outage}")).await.status(), status);
            assert!(!metrics.is_shared().await);
        }
        installation.redis.open();
        metrics.await_shared(true).await;
        come(&auth, "192.0.2.1").await.assert_problem(429);
    }

    assert_eq!(lines.count("WARN"), 2, "once for each time that it is away:\n{}", lines.text());
    assert_eq!(lines.count("Redis is back"), 2, "{}", lines.text());
    let url: url::Url = installation.redis.url().parse().expect("a URL");
    assert!(url.password().is_none_or(|password| !lines.text().contains(password)), "{}", lines.text());
}

#[tokio::test]
async fn nobody_waits_for_a_redis_that_hangs() {
    let Some(installation) = Installation::new().await else { return };
    let (auth, metrics) = installation.start_with_metrics("ip 2/hour").await;
    installation.redis.hang();

    let answers = async {
        // As many as it takes to give the connection up; each of them is counted here.
        for number in 0..3 {
            come(&auth, &format!("192.0.2.{number}")).await.assert_ok();
        }
        assert!(!metrics.is_shared().await);
        for status in [200, 200, 429] {
            assert_eq!(come(&auth, "192.0.2.9").await.status(), status);
        }
    };
    timeout(PATIENCE, answers).await.expect("they are answered though Redis is not");

    installation.redis.open();
    metrics.await_shared(true).await;
}

#[tokio::test]
async fn a_service_starts_without_redis_and_shares_once_it_is_there() {
    let Some(installation) = Installation::new().await else { return };
    installation.redis.close();
    let (auth, metrics) = installation.start_with_metrics("ip 1/hour").await;
    assert!(!metrics.is_shared().await);
    come(&auth, "192.0.2.1").await.assert_ok();
    come(&auth, "192.0.2.1").await.assert_problem(429);

    installation.redis.open();
    metrics.await_shared(true).await;

    come(&auth, "192.0.2.1").await.assert_ok();
    let other = installation.start(1, "ip 1/hour").await;
    come(&other, "192.0.2.1").await.assert_problem(429);
}

#[tokio::test]
async fn redis_does_not_learn_who_comes_and_keeps_nothing_for_ever() {
    let Some(installation) = Installation::new().await else { return };
    let mark = installation.issuer.trim_start_matches("http://").trim_end_matches(".localhost").to_owned();
    let limits = format!("ip / 5/hour, ip /{mark} 5/hour, credentials /{mark} 5/hour");
    let auth = installation.start(0, &limits).await;
    let call = auth.http().get(&format!("/{mark}")).header("x-forwarded-for", "192.0.2.77").bearer("canary-token");
    call.send().await.assert_problem(404);

    let client = redis::Client::open(installation.redis.url()).expect("a URL");
    let mut redis = client.get_multiplexed_async_connection().await.expect("it is there");
    let keys: Vec<String> = redis.keys(format!("auth-service:rate:*/{mark}:*")).await.expect("it answers");
    assert_eq!(keys.len(), 2, "one for each rule of this path: {keys:?}");
    for key in keys {
        let value: String = redis.get(&key).await.expect("a bucket");
        for private in ["192.0.2.77", "canary-token"] {
            assert!(!key.contains(private) && !value.contains(private), "{key}: {value}");
        }
        let left: i64 = redis.pttl(&key).await.expect("it answers");
        assert!((1..=3_600_000).contains(&left), "{key} is there for {left} ms");
    }
}

#[tokio::test]
async fn a_url_that_is_none_stops_the_start_and_is_not_repeated() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("redis-url");
    std::fs::write(&file, "http://:canary@cache\n").expect("the file can be written");
    let file = file.display().to_string();
    for (name, value) in [("AUTH_REDIS_URL", "cache:canary"), ("AUTH_REDIS_URL_FILE", &*file)] {
        let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await.setting(name, value);
        let output = program.run(&["serve"], "").await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("AUTH_REDIS_URL"), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

/// What is logged by this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn collect(&self) -> tracing::subscriber::DefaultGuard {
        let lines = self.clone();
        let filter = tracing_subscriber::EnvFilter::new("off,shared::server::rate_limit=info");
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_env_filter(filter).with_writer(move || lines.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nobody panics here")).into_owned()
    }

    fn count(&self, word: &str) -> usize {
        self.text().lines().filter(|line| line.contains(word)).count()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
