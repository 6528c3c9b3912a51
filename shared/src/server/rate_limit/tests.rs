//! The rules at work, in memory.

use poem::{Request, Response};

use super::*;

fn request(path: &str, authorization: Option<&str>) -> Request {
    let builder = Request::builder().uri(path.parse().unwrap());
    authorization.into_iter().fold(builder, |builder, value| builder.header("authorization", value)).finish()
}

fn limits(text: &str) -> Arc<RateLimits> {
    Arc::new(RateLimits::new(rules(text).unwrap()).unwrap())
}

async fn arrive(limits: &Arc<RateLimits>, path: &str, authorization: Option<&str>, address: &str) -> Allowance {
    let mut request = request(path, authorization);
    let allowance = Allowance::open(Some(limits), &mut request, address.parse().unwrap());
    allowance.arrive(request.headers()).await;
    allowance
}

async fn is_let_in(limits: &Arc<RateLimits>, path: &str, authorization: Option<&str>, address: &str) -> bool {
    arrive(limits, path, authorization, address).await.check().is_ok()
}

/// Whether somebody who has proved who they are is let in.
async fn is_served(limits: &Arc<RateLimits>, address: &str, who: Identity<'_>) -> bool {
    let allowance = arrive(limits, "/", None, address).await;
    let first = allowance.spend(who).await.is_ok();
    assert!(!first || allowance.spend(who).await.is_ok(), "one request is counted once");
    first
}

#[tokio::test]
async fn one_address_has_its_share_and_nobody_elses() {
    let limits = limits("ip 1/hour burst 2");
    for _ in 0..2 {
        assert!(is_let_in(&limits, "/", None, "192.0.2.1").await);
    }
    assert!(!is_let_in(&limits, "/", None, "192.0.2.1").await);
    assert!(!is_let_in(&limits, "/", None, "::ffff:192.0.2.1").await, "the same address in other clothes");
    assert!(is_let_in(&limits, "/", None, "192.0.2.2").await);
    assert!(is_let_in(&limits, "/health/live", None, "192.0.2.1").await, "probes are not counted");
}

/// A.RL-07.
#[tokio::test]
async fn a_network_of_ipv6_is_one_address() {
    let limits = limits("ip 1/hour");
    assert!(is_let_in(&limits, "/", None, "2001:db8::1").await);
    assert!(!is_let_in(&limits, "/", None, "2001:db8::ffff:2").await);
    assert!(is_let_in(&limits, "/", None, "2001:db8:0:1::1").await);
}

#[tokio::test]
async fn credentials_are_counted_wherever_they_come_from() {
    let limits = limits("credentials 1/hour");
    assert!(is_let_in(&limits, "/", Some("Bearer a"), "192.0.2.1").await);
    assert!(!is_let_in(&limits, "/", Some("Bearer a"), "192.0.2.2").await);
    assert!(is_let_in(&limits, "/", Some("Bearer b"), "192.0.2.1").await);
    assert!(is_let_in(&limits, "/", None, "192.0.2.1").await, "whoever shows none is not counted");
}

#[tokio::test]
async fn a_path_has_a_rule_of_its_own() {
    let limits = limits("ip /oauth2/ 1/hour");
    assert!(is_let_in(&limits, "/oauth2/token", None, "192.0.2.1").await);
    assert!(!is_let_in(&limits, "/oauth2/revoke", None, "192.0.2.1").await);
    assert!(is_let_in(&limits, "/docs", None, "192.0.2.1").await);
}

#[tokio::test]
async fn a_subject_is_counted_whatever_token_they_show_and_wherever_they_are() {
    let limits = limits("subject 1/hour");
    let ada = Identity { subject: Some("usr_ada"), ..Identity::default() };
    assert!(is_served(&limits, "192.0.2.1", ada).await);
    assert!(!is_served(&limits, "192.0.2.2", ada).await);
    assert!(is_served(&limits, "192.0.2.1", Identity { subject: Some("usr_rob"), ..ada }).await);
    assert!(is_served(&limits, "192.0.2.1", Identity::default()).await, "nobody is not counted");
}

#[tokio::test]
async fn a_key_is_counted_apart_from_its_owner() {
    let limits = limits("key 1/hour");
    let key = Identity { subject: Some("usr_ada"), key: Some("key_1"), ..Identity::default() };
    assert!(is_served(&limits, "192.0.2.1", key).await);
    assert!(!is_served(&limits, "192.0.2.1", key).await);
    assert!(is_served(&limits, "192.0.2.1", Identity { key: None, ..key }).await);
}

#[tokio::test]
async fn nobody_uses_up_a_client_for_others() {
    let limits = limits("client 1/hour");
    let is_served = async |address: &str, client: Client<'static>, subject: Option<&'static str>| {
        is_served(&limits, address, Identity { client: Some(client), subject, key: None }).await
    };
    let batch = Client::Proven("batch");
    assert!(is_served("192.0.2.1", batch, None).await);
    assert!(!is_served("192.0.2.2", batch, Some("batch")).await, "a client that acts for itself");

    let app = Client::Proven("app");
    assert!(is_served("192.0.2.1", app, Some("usr_ada")).await);
    assert!(!is_served("192.0.2.2", app, Some("usr_ada")).await);
    assert!(is_served("192.0.2.1", app, Some("usr_rob")).await, "what Ada does is not Rob's");
    assert!(is_served("192.0.2.1", app, None).await);

    let named = Client::Claimed("app");
    assert!(is_served("192.0.2.1", named, None).await, "a name alone takes nothing from who has proved it");
    assert!(!is_served("192.0.2.1", named, None).await);
    assert!(is_served("198.51.100.1", named, None).await);
}

#[tokio::test]
async fn the_sender_is_told_what_is_left() {
    let limits = limits("ip 2/hour, credentials 5/minute");
    let mut response = Response::default();
    arrive(&limits, "/", Some("Bearer a"), "192.0.2.1").await.tell(&mut response);
    assert_eq!(response.header("ratelimit-policy"), Some("\"ip\";q=2;w=3600, \"credentials\";q=5;w=60"));
    assert_eq!(response.header("ratelimit"), Some("\"ip\";r=1"));
    arrive(&limits, "/", None, "192.0.2.1").await;
    arrive(&limits, "/", None, "192.0.2.1").await.tell(&mut response);
    assert_eq!(response.header("ratelimit"), Some("\"ip\";r=0;t=1800"));
    assert_eq!(response.header("retry-after"), Some("1800"));
}
