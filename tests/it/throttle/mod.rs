//! Whoever guesses is slowed down, by account and by network, and cannot lock anybody out (SECURITY A.RL, TE-12).
//!
//! Where a test is about a wait of hours it moves the counters, not the clock: they are in the database.

mod accounts;
mod kept;
mod networks;
mod owners;
mod secrets;

use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm::QueryResult;
use tests::{Answer, Call, OAuthClient, Stack};

pub(super) const HOME: &str = "198.51.100.7";
pub(super) const ELSEWHERE: &str = "203.0.113.9";

/// A stack that counts guesses, behind a proxy which says where requests come from.
pub(super) async fn counting_stack() -> Stack {
    let stack = Stack::builder().auth(counting).start().await;
    for username in ["ada", "rob"] {
        stack.user(username, &["editor"]).await;
    }
    stack
}

pub(super) fn counting(config: &mut auth_service::Config) {
    config.login_throttle = true;
    config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
}

/// The same under a name that does not change with the port: for whoever is started twice.
pub(super) fn counting_by_name(config: &mut auth_service::Config) {
    counting(config);
    config.issuer = Some("http://localhost:8080".to_owned());
}

pub(super) fn from(source: &str, call: Call) -> Call {
    call.header("x-forwarded-for", source)
}

pub(super) async fn guess(client: &OAuthClient, source: &str, username: &str, password: &str) -> Answer {
    from(source, client.password_request(username, password)).send().await
}

/// Makes it so many failures, the last of them just now.
pub(super) async fn set(stack: &Stack, kind: &str, failures: i32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_millis();
    let now = i64::try_from(now).expect("it is not that much later");
    let sql = "UPDATE login_attempt SET failures = $1, since = $2, failed_at = $2 WHERE kind = $3";
    stack.auth_home().database().run(sql, [failures.into(), now.into(), kind.into()]).await;
}

pub(super) async fn lanes(stack: &Stack, kind: &str) -> Vec<QueryResult> {
    stack.auth_home().database().rows(&format!("SELECT * FROM login_attempt WHERE kind = '{kind}'")).await
}

fn failures(lane: &QueryResult) -> i32 {
    lane.try_get("", "failures").expect("a number")
}

/// Expects that a guess was not looked at, and returns how many seconds to wait.
#[track_caller]
pub(super) fn assert_throttled(answer: &Answer) -> u64 {
    answer.assert_oauth_error(429, "temporarily_unavailable").assert_never_stored();
    answer.assert_hardened();
    answer.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap_or_else(|| panic!("no Retry-After:\n{answer}"))
}
