//! What `/metrics` tells the people who run the services, and that it tells nothing about anybody else.

use std::{net::SocketAddr, time::Duration};

use auth_service::ClientKind;
use serde_json::json;
use shared::server::rate_limit::rules;
use tests::{Http, PASSWORD, PATIENCE, ResourceHome, Stack, free_address};
use tokio::time::{sleep, timeout};

use crate::throttle::{ELSEWHERE, assert_throttled, counting, from, guess, set};

/// Both services, and where their metrics are.
struct Watched {
    stack: Stack,
    auth: Metrics,
    resource: Metrics,
}

/// The metrics of one service.
struct Metrics(Http);

impl Watched {
    async fn start(change: impl FnOnce(&mut auth_service::Config) + Send + 'static) -> Self {
        let (auth, resource) = (free_address(), free_address());
        let builder = Stack::builder().auth(move |config| {
            config.metrics_listen = Some(auth);
            change(config);
        });
        let stack = builder.resource(move |config| config.metrics_listen = Some(resource)).start().await;
        Self { stack, auth: Metrics::at(auth), resource: Metrics::at(resource) }
    }
}

impl Metrics {
    fn at(address: SocketAddr) -> Self {
        Self(Http::at(format!("http://{address}")))
    }

    async fn text(&self) -> String {
        let answer = self.0.get("/metrics").send().await;
        answer.assert_status(200);
        assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        answer.text().to_owned()
    }

    /// The value of a series, by its name and its labels in alphabetical order.
    async fn value(&self, series: &str) -> Option<f64> {
        let text = self.text().await;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(|value| value.split(' ').next().expect("a value").parse().expect("a number"))
    }

    /// The value of a series that there must be.
    async fn number(&self, series: &str) -> f64 {
        match self.value(series).await {
            Some(value) => value,
            None => panic!("no {series}:\n{}", self.text().await),
        }
    }

    /// Waits until a series is there and this holds of it.
    async fn until(&self, series: &str, holds: impl Fn(f64) -> bool) {
        let held = async {
            while !self.value(series).await.is_some_and(&holds) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(timeout(PATIENCE, held).await.is_ok(), "{series}:\n{}", self.text().await);
    }

    /// Whether a counter stands at this number.
    async fn counts(&self, series: &str, number: u32) {
        let value = self.number(series).await;
        assert!((value - f64::from(number)).abs() < 0.1, "{series} {value}");
    }
}

#[tokio::test]
async fn requests_for_tokens_are_counted_by_grant_and_outcome() {
    let watched = Watched::start(|_| {}).await;
    let (stack, auth) = (&watched.stack, &watched.auth);
    stack.user("ada", &["reader"]).await;
    let requests = |grant: &str, outcome: &str| format!("token_requests_total{{grant=\"{grant}\",outcome=\"{outcome}\"}}");
    auth.counts(&requests("client_credentials", "issued"), 0).await;

    let tokens = stack.client().open_session("ada", PASSWORD).await;
    stack.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    stack.client().password("nobody", "wrong").await.assert_oauth_error(400, "invalid_grant");
    stack.client().refresh(&tokens.refresh).await.assert_tokens();
    stack.client().request(&[("grant_type", "magic")]).send().await.assert_oauth_error(400, "unsupported_grant_type");
    let grants = ["client_credentials"];
    let app = stack.auth().register(stack.new_client("batch", ClientKind::Confidential, &grants, "documents:read")).await;
    app.client_credentials().await.assert_oauth_error(400, "invalid_scope");

    for (grant, outcome, count) in [
        ("password", "issued", 1),
        ("password", "invalid_grant", 2),
        ("refresh_token", "issued", 1),
        ("unknown", "unsupported_grant_type", 1),
        ("client_credentials", "invalid_scope", 1),
    ] {
        auth.counts(&requests(grant, outcome), count).await;
    }
    for (outcome, count) in [("succeeded", 1), ("wrong_password", 1), ("unknown_user", 1), ("busy", 0)] {
        auth.counts(&format!("logins_total{{outcome=\"{outcome}\"}}"), count).await;
    }
    auth.counts(r#"http_request_duration_seconds_count{method="POST",route="/oauth2/token",status_class="2xx"}"#, 2).await;
    auth.counts(r#"http_request_duration_seconds_count{method="POST",route="/oauth2/token",status_class="4xx"}"#, 4).await;
    assert!(auth.number("password_hash_duration_seconds_count").await >= 3.0);
    assert!(auth.number("database_begin_seconds_count").await >= 3.0);
}

#[tokio::test]
async fn nobody_is_in_the_metrics_and_no_path_of_a_strangers() {
    let watched = Watched::start(|config| config.login_throttle = true).await;
    let stack = &watched.stack;
    let id = stack.user("ada", &["reader"]).await;
    let token = stack.client().log_in("ada", PASSWORD).await;
    stack.client().password("hunter2", "wrong").await.assert_oauth_error(400, "invalid_grant");
    for path in ["/me", "/documents/0192f0c1", "/secret-path/s3cret", "/me?token=s3cret"] {
        stack.api().get(path).bearer(&token).send().await;
        stack.api().request("BREW", path).bearer("s3cret").send().await;
    }

    for text in [watched.auth.text().await, watched.resource.text().await] {
        for private in ["ada", &*id, "hunter2", "s3cret", "0192f0c1", "127.0.0.1", "BREW", &token] {
            assert!(!text.contains(private), "{private} in\n{text}");
        }
    }
    let unmatched = r#"http_requests_total{method="GET",route="unmatched",status="404"}"#;
    watched.resource.counts(unmatched, 1).await;
}

#[tokio::test]
async fn the_signing_keys_tell_how_old_they_are() {
    let watched = Watched::start(|_| {}).await;
    let (stack, auth) = (&watched.stack, &watched.auth);
    auth.counts(r#"signing_keys{state="active"}"#, 1).await;
    auth.counts(r#"signing_keys{state="announced"}"#, 0).await;
    assert_eq!(auth.value(r#"signing_key_age_seconds{state="announced"}"#).await, None);
    assert!(auth.number(r#"signing_key_age_seconds{state="active"}"#).await < 3600.0);
    auth.counts("signing_key_rotation_period_seconds", 30 * 24 * 3600).await;

    let token = stack.admin_token("admin:keys").await;
    let rotate = stack.auth().http().post("/admin/signing-keys/rotate").bearer(&token).json(&json!({"now": false}));
    rotate.send().await.assert_ok();

    auth.until(r#"signing_key_age_seconds{state="announced"}"#, |_| true).await;
    auth.counts(r#"signing_keys{state="announced"}"#, 1).await;
    stack.auth_home().database().run("UPDATE signing_key SET sign_from = sign_from - 1000000 WHERE slot = 1", []).await;
    auth.until(r#"signing_key_age_seconds{state="active"}"#, |age| age >= 1_000_000.0).await;
}

#[tokio::test]
async fn credentials_that_are_refused_are_counted_by_reason() {
    let watched = Watched::start(|_| {}).await;
    let (stack, resource) = (&watched.stack, &watched.resource);
    let token = stack.token_of("rob", &["reader"]).await;
    stack.present(&token).await.assert_ok();
    stack.api().get("/me").send().await.assert_no_credentials();
    stack.present("not a token").await;
    stack.present("a.b.c").await.assert_invalid_token();
    let document = json!({"title": "Plan", "content": ""});
    stack.api().post("/documents").bearer(&token).json(&document).send().await.assert_status(403);
    stack.present_key("not a key").await.assert_status(401);

    for (reason, count) in [("no_credentials", 1), ("insufficient_scope", 1), ("api_key_malformed", 1)] {
        resource.counts(&format!("access_token_rejections_total{{reason=\"{reason}\"}}"), count).await;
    }
    assert!(resource.number(r#"access_token_rejections_total{reason="malformed"}"#).await >= 1.0);
    stack.auth().http().get("/account").bearer(&token).send().await.assert_invalid_token();
    watched.auth.counts(r#"access_token_rejections_total{reason="audience"}"#, 1).await;
    resource.counts("jwks_usable", 1).await;
    assert!(resource.number(r#"jwks_refresh_total{result="success"}"#).await >= 1.0);
    assert!(resource.number("jwks_age_seconds").await < 3600.0);
    assert!(resource.number("status_list_age_seconds").await < 300.0);
    resource.until(r#"revocations_refresh_total{result="success"}"#, |rounds| rounds >= 1.0).await;
}

#[tokio::test]
async fn an_issuer_that_is_away_can_be_seen() {
    let nobody = format!("http://{}", free_address());
    let address = free_address();
    let home = ResourceHome::new().await;
    let _service = home.start(&nobody, |config| config.metrics_listen = Some(address)).await.expect("it does not wait for it");
    let resource = Metrics::at(address);

    resource.until(r#"jwks_refresh_total{result="failure"}"#, |attempts| attempts >= 1.0).await;

    resource.counts("jwks_usable", 0).await;
    resource.counts(r#"jwks_refresh_total{result="success"}"#, 0).await;
    assert_eq!(resource.value("jwks_age_seconds").await, None);
}

#[tokio::test]
async fn pools_slots_and_the_process_tell_how_much_they_have() {
    let watched = Watched::start(|_| {}).await;
    let auth = &watched.auth;
    watched.stack.token_of("ada", &["reader"]).await;

    let slots = auth.number("password_hash_permits").await;
    assert!(slots >= 1.0);
    auth.counts("password_hash_permits_in_use", 0).await;
    auth.counts("password_hash_queue_depth", 0).await;
    auth.counts("password_hash_queue_limit", 32).await;
    for (metrics, service) in [(auth, "auth-service"), (&watched.resource, "resource-service")] {
        let text = metrics.text().await;
        let pools: Vec<_> = text.lines().filter(|line| line.starts_with("database_pool_connections_max{")).collect();
        assert!(!pools.is_empty() && pools.len() <= 2, "{text}");
        assert!(text.contains(&format!("build_info{{service=\"{service}\",version=\"")), "{text}");
        for name in
            ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]
        {
            assert!(metrics.number(name).await > 0.0, "{name}");
        }
    }
    assert!(auth.number("audit_sealing_lag_seconds").await < 60.0);
}

#[tokio::test]
async fn requests_that_break_a_rate_limit_are_counted() {
    let watched = Watched::start(|config| config.rate_limits = rules("ip /account 1/hour").expect("a rule")).await;
    let http = watched.stack.auth().http();
    http.get("/account").send().await.assert_status(401);

    http.get("/account").send().await.assert_status(429);

    watched.auth.counts(r#"http_requests_rate_limited_total{route="/account"}"#, 1).await;
}

#[tokio::test]
async fn a_rl_05_a_list_of_stolen_passwords_that_is_tried_out_from_everywhere_raises_the_alarm() {
    let watched = Watched::start(counting).await;
    watched.auth.counts("guessed_names", 0).await;

    for number in 0..60 {
        let login = watched.stack.client().password_request(&format!("person{number}"), "a stolen password");
        let source = format!("198.51.{number}.7");
        from(&source, login).send().await.assert_oauth_error(400, "invalid_grant");
    }

    let names = watched.auth.number("guessed_names").await;
    assert!((55.0..=65.0).contains(&names), "{names}");
    watched.auth.counts(r#"guesses_failed_total{source="strange"}"#, 60).await;
    watched.auth.counts("guesses_throttled_total", 0).await;
}

/// A.RL-05: the alarm that moves.
#[tokio::test]
async fn a_rl_05_how_many_guesses_were_turned_away_is_a_metric() {
    let watched = Watched::start(counting).await;
    let (client, auth) = (watched.stack.client(), &watched.auth);
    auth.counts("guesses_throttled_total", 0).await;
    guess(&client, ELSEWHERE, "nobody", "wrong").await.assert_oauth_error(400, "invalid_grant");
    set(&watched.stack, "account", 100).await;

    assert_throttled(&guess(&client, ELSEWHERE, "nobody", "wrong").await);

    auth.counts("guesses_throttled_total", 1).await;
}
