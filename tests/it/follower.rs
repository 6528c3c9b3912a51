//! Keys that were good stay good while the issuer misbehaves in every way there is (A.JK-05), and services find each other
//! whichever comes first (A.JK-10).

use std::time::Duration;

use serde_json::json;
use shared::server::listener::Listener;
use tests::{AuthHome, MockIssuer, PASSWORD, PATIENCE, Reply, ResourceHome, ResourceServer, jwt::SigningKey, until};
use tokio::time::{sleep, timeout};

async fn present(issuer: &MockIssuer, resource: &ResourceServer) -> tests::Answer {
    let token = issuer.token_for(resource.id()).sign(issuer.key());
    resource.http().get("/me").bearer(&token).send().await
}

/// A whole answer of this many bytes, none of which is a key.
fn huge(length: usize) -> Reply {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    Reply::Raw([head.into_bytes(), vec![b' '; length]].concat())
}

#[tokio::test]
async fn a_jk_05_good_keys_outlive_every_bad_answer_and_nobody_waits_for_it() {
    let elsewhere = MockIssuer::start().await;
    let issuer = MockIssuer::start().await;
    let home = ResourceHome::new().await;
    let resource = home.start(issuer.url(), |_| {}).await.expect("it starts");
    present(&issuer, &resource).await.assert_ok();
    let drip = format!("HTTP/1.1 200 OK\r\n\r\n{}", json!({"keys": [elsewhere.key().jwk()]}));
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {}/jwks\r\nContent-Length: 0\r\n\r\n", elsewhere.url());

    for reply in [
        huge(10 << 20),
        Reply::Raw(redirect.into_bytes()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"keys\":[".to_vec()),
        Reply::Raw(Vec::new()),
        Reply::Drip(drip.into_bytes()),
        Reply::Hang,
    ] {
        issuer.answer_for_keys(reply);
        // A key that nobody knows makes the service ask; it must neither cost it the keys it has nor hold anybody up.
        let unknown = issuer.token_for(resource.id()).header("kid", SigningKey::generate().id()).sign(issuer.key());
        let asking = tokio::spawn(resource.http().get("/me").bearer(&unknown).send());
        present(&issuer, &resource).await.assert_ok();
        let refused = timeout(PATIENCE, asking).await.expect("it is answered").expect("it is not lost");
        assert!(matches!(refused.status(), 401 | 503), "{refused}");
        present(&issuer, &resource).await.assert_ok();
    }

    assert!(elsewhere.requests().is_empty(), "a redirect is not followed");
    resource.http().get("/health/ready").send().await.assert_status(200);
}

#[tokio::test]
async fn a_jk_05_keys_that_nobody_confirms_end_at_last() {
    let issuer = MockIssuer::start().await;
    let home = ResourceHome::new().await;
    let brief = Duration::from_secs(1);
    let resource = home.start(issuer.url(), |config| config.keys_max_stale = brief).await.expect("it starts");
    present(&issuer, &resource).await.assert_ok();

    issuer.answer_for_keys(Reply::Hang);
    issuer.describe(Reply::Hang);
    sleep(brief * 2).await;

    let answer = present(&issuer, &resource).await;
    answer.assert_problem(503);
    assert!(answer.header("retry-after").is_some(), "{answer}");
    assert_eq!(answer.header("www-authenticate"), None, "the token is not at fault: {answer}");
    resource.http().get("/health/ready").send().await.assert_status(503);
    resource.http().get("/health/live").send().await.assert_status(200);
}

#[tokio::test]
async fn a_jk_10_a_resource_server_that_comes_first_finds_its_issuer() {
    let (auth_home, resource_home) = (AuthHome::new().await, ResourceHome::new().await);
    // A port that was free a moment ago, and where nobody answers yet.
    let auth = auth_home.start(|_| {}).await.expect("it starts");
    let issuer = auth.issuer().to_owned();
    let address = format!("127.0.0.1:{}", issuer.rsplit(':').next().expect("a port"));
    auth.stop().await;
    let resource = resource_home.start(&issuer, |_| {}).await.expect("it starts without its issuer");
    let ready = || resource.http().get("/health/ready").send();
    ready().await.assert_status(503);

    let listener = Listener::bind(address).await.expect("the port is free again");
    let named = |config: &mut auth_service::Config| config.issuer = Some(issuer.clone());
    let auth = auth_home.start_behind(listener, named).await.expect("it starts");

    until("it asks again by itself", async || ready().await.status() == 200).await;
    auth.user("ada", &["reader"]).await;
    auth.operator().add_resource(resource.id(), &"notes:read".parse().expect("a scope")).await.expect("it is new");
    auth.operator().add_role("noter", &"notes:read".parse().expect("a scope")).await.expect("it is new");
    auth.operator().set_roles("ada", &["noter"]).await.expect("there is such a role");
    let mut new = auth_service::NewClient::new("app", auth_service::ClientKind::Public);
    new.grants = vec!["password".to_owned()];
    new.scope = "notes:read".parse().expect("a scope");
    let token = auth.register(new).await.scope("notes:read").log_in("ada", PASSWORD).await;
    resource.http().get("/me").bearer(&token).send().await.assert_ok();
}

#[tokio::test]
async fn a_jk_10_kept_keys_are_for_the_issuer_they_came_from() {
    let (mine, other) = (MockIssuer::start().await, MockIssuer::start().await);
    let home = ResourceHome::new().await;
    let resource = home.start(mine.url(), |_| {}).await.expect("it starts");
    present(&mine, &resource).await.assert_ok();
    resource.stop().await;

    other.describe(Reply::Hang);
    let resource = home.start(other.url(), |_| {}).await.expect("it starts");

    assert_ne!(present(&mine, &resource).await.status(), 200);
    let pretending = mine.token_for(resource.id()).claim("iss", other.url()).sign(mine.key());
    assert_ne!(resource.http().get("/me").bearer(&pretending).send().await.status(), 200);
}
