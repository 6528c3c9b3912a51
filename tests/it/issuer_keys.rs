//! How resource-service gets the issuer's keys, and what it answers while it has none (RFC 7517 §5, RFC 8414 §3).

use serde_json::{Value, json};
use tests::{Answer, MockIssuer, Reply, ResourceHome, ResourceServer, jwt::SigningKey, until};
use tokio::task::JoinSet;

async fn trusting(issuer: &MockIssuer) -> (ResourceServer, ResourceHome) {
    let home = ResourceHome::new().await;
    let resource = home.start(issuer.url(), |_| {}).await.expect("it starts without its issuer");
    (resource, home)
}

async fn present_good_token(issuer: &MockIssuer, resource: &ResourceServer) -> Answer {
    let token = issuer.token_for(resource.id()).sign(issuer.key());
    resource.http().get("/me").bearer(&token).send().await
}

fn raw(head: &str, body: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes())
}

/// Expects that the service says it is its own fault: no challenge, since no other token would help.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.assert_problem(503);
    assert!(
        answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0)),
        "{answer}"
    );
    assert_eq!(answer.header("www-authenticate"), None, "{answer}");
}

/// A.JK-10
#[tokio::test]
async fn without_keys_a_good_token_is_answered_with_503_and_no_challenge() {
    let issuer = MockIssuer::start().await;
    issuer.answer_for_keys(raw("500 Internal Server Error", ""));
    let (resource, _home) = trusting(&issuer).await;

    assert_unavailable(&present_good_token(&issuer, &resource).await);
    // What needs no key is said all the same.
    resource.http().get("/me").send().await.assert_no_credentials();
    resource.http().get("/me").bearer("abc").send().await.assert_invalid_token();
    let ready = resource.http().get("/health/ready").send().await;
    ready.assert_status(503);
    resource.http().get("/health/live").send().await.assert_status(200);
}

/// A.JK-10
#[tokio::test]
async fn an_issuer_that_comes_up_later_is_found_without_a_restart() {
    let issuer = MockIssuer::start().await;
    let metadata = issuer.metadata();
    issuer.describe(raw("503 Service Unavailable", ""));
    let (resource, _home) = trusting(&issuer).await;
    assert_unavailable(&present_good_token(&issuer, &resource).await);

    issuer.describe(Reply::Json(metadata));

    until("it asks again by itself", async || present_good_token(&issuer, &resource).await.status() == 200).await;
    resource.http().get("/health/ready").send().await.assert_status(200);
}

#[tokio::test]
async fn a_jk_04_a_crowd_that_meets_an_empty_cache_causes_one_fetch() {
    let issuer = MockIssuer::start().await;
    let (resource, _home) = trusting(&issuer).await;

    let token = issuer.token_for(resource.id()).sign(issuer.key());
    let mut crowd = JoinSet::new();
    for _ in 0..200 {
        crowd.spawn(resource.http().get("/me").bearer(&token).send());
    }
    for answer in crowd.join_all().await {
        answer.assert_ok();
    }

    let fetches = issuer.requests().iter().filter(|line| line.contains("/jwks")).count();
    assert_eq!(fetches, 1, "{:?}", issuer.requests());
}

#[tokio::test]
async fn jk_03_the_order_of_the_keys_means_nothing() {
    let issuer = MockIssuer::start().await;
    let others: Vec<Value> = (0..3).map(|_| SigningKey::generate().jwk()).collect();

    for place in 0..=others.len() {
        let mut keys = others.clone();
        keys.insert(place, issuer.key().jwk());
        issuer.publish(&keys);
        let (resource, _home) = trusting(&issuer).await;
        present_good_token(&issuer, &resource).await.assert_ok();
    }
}

#[tokio::test]
async fn jk_05_a_key_that_cannot_be_used_does_not_spoil_the_others() {
    let issuer = MockIssuer::start().await;
    let good = issuer.key().jwk();
    let changed = |name: &str, value: Value| {
        let mut key = SigningKey::generate().jwk();
        key[name] = value;
        key
    };
    issuer.publish(&[
        json!({"kty": "XYZ", "kid": "unknown-type"}),
        json!({}),
        json!(null),
        json!("key"),
        changed("use", json!("enc")),
        changed("alg", json!("HS256")),
        changed("n", json!("AQAB")),
        changed("n", json!(1)),
        changed("kid", json!(1)),
        changed("key_ops", json!(["sign"])),
        json!({"kty": "oct", "kid": "shared", "alg": "HS256", "k": "c2VjcmV0"}),
        good,
    ]);
    let (resource, _home) = trusting(&issuer).await;

    present_good_token(&issuer, &resource).await.assert_ok();
    for kid in ["unknown-type", "shared"] {
        let token = issuer.token_for(resource.id()).header("kid", kid).sign(issuer.key());
        resource.http().get("/me").bearer(&token).send().await.assert_invalid_token();
    }
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_not_taken_for_one() {
    let elsewhere = MockIssuer::start().await;
    let elsewhere_keys = format!("{}/jwks", elsewhere.url());
    let issuer = MockIssuer::start().await;
    let huge = json!({"keys": [issuer.key().jwk()], "padding": "x".repeat(1 << 20)}).to_string();

    for reply in [
        raw("500 Internal Server Error", "oops"),
        raw("200 OK\r\nContent-Type: text/html", "<html></html>"),
        Reply::Json(json!({"keys": []})),
        Reply::Json(json!([])),
        raw("200 OK\r\nContent-Type: application/json", &huge),
        raw(&format!("302 Found\r\nLocation: {elsewhere_keys}"), ""),
        raw("200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", "x"),
        Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"keys\":".to_vec()),
        Reply::Raw(b"nonsense".to_vec()),
    ] {
        issuer.answer_for_keys(reply.clone());
        let (resource, _home) = trusting(&issuer).await;
        assert_unavailable(&present_good_token(&issuer, &resource).await);
    }
    assert!(elsewhere.requests().is_empty(), "a redirect is not followed");
}

/// A.JK-12
#[tokio::test]
async fn metadata_of_another_issuer_or_with_keys_elsewhere_is_not_believed() {
    let elsewhere = MockIssuer::start().await;
    let issuer = MockIssuer::start().await;
    let with = |name: &str, value: Value| {
        let mut metadata = issuer.metadata();
        metadata[name] = value;
        Reply::Json(metadata)
    };

    for reply in [
        with("issuer", json!(format!("{}/", issuer.url()))),
        with("issuer", json!(elsewhere.url())),
        with("issuer", json!(null)),
        with("jwks_uri", json!(format!("{}/jwks", elsewhere.url()))),
        with("jwks_uri", json!("file:///etc/passwd")),
        with("jwks_uri", json!(null)),
        Reply::Json(json!([])),
    ] {
        issuer.describe(reply);
        let (resource, _home) = trusting(&issuer).await;
        assert_unavailable(&present_good_token(&issuer, &resource).await);
    }
    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
}

/// A.JK-05
#[tokio::test]
async fn keys_that_are_known_outlive_an_issuer_that_fails() {
    let issuer = MockIssuer::start().await;
    let (resource, _home) = trusting(&issuer).await;
    present_good_token(&issuer, &resource).await.assert_ok();

    for reply in [raw("500 Internal Server Error", ""), Reply::Json(json!({"keys": []})), raw("200 OK", "<html>")] {
        issuer.answer_for_keys(reply);
        // A key that nobody knows makes the service ask; the answer it gets must not cost it the keys it has.
        let unknown = issuer.token_for(resource.id()).header("kid", "unknown").sign(issuer.key());
        let refused = resource.http().get("/me").bearer(&unknown).send().await;
        assert!(matches!(refused.status(), 401 | 503), "{refused}");
        present_good_token(&issuer, &resource).await.assert_ok();
    }
    resource.http().get("/health/ready").send().await.assert_status(200);
}

#[tokio::test]
async fn keys_outlive_a_restart_while_the_issuer_is_away() {
    let issuer = MockIssuer::start().await;
    let (resource, home) = trusting(&issuer).await;
    present_good_token(&issuer, &resource).await.assert_ok();
    let id = resource.id().to_owned();
    resource.stop().await;

    issuer.describe(Reply::Hang);
    issuer.answer_for_keys(Reply::Hang);
    let resource = home.start(issuer.url(), |config| config.id = Some(id)).await.expect("it starts without its issuer");

    present_good_token(&issuer, &resource).await.assert_ok();
    let ready = resource.http().get("/health/ready").send().await.assert_ok();
    assert!(ready["checks"]["issuer_keys"]["age_seconds"].is_u64(), "{ready}");
}

/// A.JK-11
#[tokio::test]
async fn a_key_that_is_listed_twice_counts_once_and_two_keys_of_one_id_count_for_nothing() {
    let issuer = MockIssuer::start().await;
    let (key, other, stranger) = (issuer.key().jwk(), SigningKey::generate(), SigningKey::generate());
    let mut twin = stranger.jwk();
    twin["kid"] = json!(other.id());

    issuer.publish(&[key.clone(), other.jwk(), key, twin]);
    let (resource, _home) = trusting(&issuer).await;

    present_good_token(&issuer, &resource).await.assert_ok();
    for signer in [&other, &stranger] {
        // A token of this ID could mean either key, and one of them may be an attacker's.
        let token = issuer.token_for(resource.id()).header("kid", other.id()).sign(signer);
        resource.http().get("/me").bearer(&token).send().await.assert_invalid_token();
    }
}

#[tokio::test]
async fn a_flood_of_made_up_keys_neither_holds_up_good_tokens_nor_reaches_the_issuer() {
    let issuer = MockIssuer::start().await;
    let (resource, _home) = trusting(&issuer).await;
    present_good_token(&issuer, &resource).await.assert_ok();
    let before = issuer.requests().len();
    let stranger = SigningKey::generate();

    let mut flood = JoinSet::new();
    for number in 0..300 {
        let token = issuer.token_for(resource.id()).header("kid", format!("made-up-{number}")).sign(&stranger);
        flood.spawn(resource.http().get("/me").bearer(&token).send());
    }
    for _ in 0..20 {
        present_good_token(&issuer, &resource).await.assert_ok();
    }
    for answer in flood.join_all().await {
        // Whoever cannot be told apart from a token of a new key is put off, and never served.
        assert!(matches!(answer.status(), 401 | 503), "{answer}");
    }

    present_good_token(&issuer, &resource).await.assert_ok();
    let asked = issuer.requests().len() - before;
    assert!(asked <= 20, "300 made-up keys caused {asked} requests");
}

#[tokio::test]
async fn an_issuer_is_reached_where_the_settings_say_under_the_name_it_has() {
    let issuer = MockIssuer::start().await;
    let home = ResourceHome::new().await;
    let port = issuer.url().rsplit(':').next().expect("a port").to_owned();
    let name = "http://issuer.example:8080";
    let mut metadata = issuer.metadata();
    metadata["issuer"] = json!(name);
    metadata["jwks_uri"] = json!(format!("{name}/jwks"));
    issuer.describe(Reply::Json(metadata));

    let resource =
        home.start(name, |config| config.issuer_connect_to = Some(format!("127.0.0.1:{port}"))).await.expect("it starts");

    let token = issuer.token_for(resource.id()).claim("iss", name).sign(issuer.key());
    resource.http().get("/me").bearer(&token).send().await.assert_ok();
    present_good_token(&issuer, &resource).await.assert_invalid_token();
}
