//! How resource-service follows the issuer's status lists, and what it does while it cannot.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use shared::access_token::{StalePolicy, status_list::StatusList};
use tests::{
    Answer, MockIssuer, PATIENCE, Reply, ResourceHome, ResourceServer,
    jwt::{SigningKey, Token},
    until, until_some,
};
use tokio::time::timeout;

const LISTS: &str = "/status-lists";
const LIST: &str = "/status-lists/1";

/// An issuer that says where its status lists are, and a resource-service that trusts it.
async fn following(policy: StalePolicy, max_stale: Duration) -> (MockIssuer, ResourceServer, ResourceHome) {
    let issuer = MockIssuer::start().await;
    let mut metadata = issuer.metadata();
    metadata["status_list_aggregation_endpoint"] = json!(format!("{}{LISTS}", issuer.url()));
    issuer.describe(Reply::Json(metadata));
    issuer.reply(LISTS, Reply::Json(json!({"status_lists": [uri(&issuer)]})));
    publish(&issuer, &list(&issuer, &[]).sign(issuer.key()));
    let home = ResourceHome::new().await;
    let resource = home.start(issuer.url(), |config| {
        config.revocations_when_stale = policy;
        config.revocations_max_stale = max_stale;
    });
    let resource = resource.await.expect("it starts");
    (issuer, resource, home)
}

fn uri(issuer: &MockIssuer) -> String {
    format!("{}{LIST}", issuer.url())
}

/// A list on which these places are revoked, not yet signed.
fn list(issuer: &MockIssuer, revoked: &[u64]) -> Token {
    let mut statuses = StatusList::new(1, 1024).expect("lists have this size");
    for &place in revoked {
        statuses.set(place, 1).expect("the place is within the list");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    let header = json!({"alg": "RS256", "typ": "statuslist+jwt", "kid": issuer.key().id()});
    let status_list = json!({"bits": 1, "lst": statuses.to_lst()});
    let claims = json!({"sub": uri(issuer), "iat": now, "exp": now + 300, "ttl": 1, "status_list": status_list});
    let object = |value: Value| -> Map<String, Value> { serde_json::from_value(value).expect("it is an object") };
    Token { header: object(header), claims: object(claims) }
}

fn publish(issuer: &MockIssuer, token: &str) {
    issuer.reply(LIST, raw("200 OK\r\nContent-Type: application/statuslist+jwt", token));
}

fn raw(head: &str, body: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes())
}

/// Presents a token that is good in every other respect and has this place.
async fn present(issuer: &MockIssuer, resource: &ResourceServer, place: u64) -> Answer {
    let status = json!({"status_list": {"idx": place, "uri": uri(issuer)}});
    let token = issuer.token_for(resource.id()).claim("status", status).sign(issuer.key());
    resource.http().get("/me").bearer(&token).send().await
}

/// Waits until the token of this place is answered like this.
async fn await_status(issuer: &MockIssuer, resource: &ResourceServer, place: u64, status: u16) -> Answer {
    until_some(&format!("it is answered with {status}"), async || {
        Some(present(issuer, resource, place).await).filter(|answer| answer.status() == status)
    })
    .await
}

#[tokio::test]
async fn jv_12_a_token_whose_place_is_marked_is_refused_and_its_neighbours_are_not() {
    let (issuer, resource, _home) = following(StalePolicy::FailOpen, PATIENCE).await;
    publish(&issuer, &list(&issuer, &[7]).sign(issuer.key()));

    await_status(&issuer, &resource, 7, 401).await.assert_invalid_token();
    for place in [6, 8, 0, 1023] {
        present(&issuer, &resource, place).await.assert_ok();
    }
    present(&issuer, &resource, 1024).await.assert_invalid_token();
    present(&issuer, &resource, u64::MAX).await.assert_invalid_token();
}

#[tokio::test]
async fn jv_12_a_mark_that_comes_later_is_heard_of_without_a_token_asking() {
    let (issuer, resource, _home) = following(StalePolicy::FailClosed, PATIENCE).await;
    await_status(&issuer, &resource, 7, 200).await;

    publish(&issuer, &list(&issuer, &[7]).sign(issuer.key()));

    await_status(&issuer, &resource, 7, 401).await.assert_invalid_token();
    present(&issuer, &resource, 8).await.assert_ok();
}

#[tokio::test]
async fn jv_12_a_list_that_a_token_made_known_is_followed_from_then_on() {
    let (issuer, resource, _home) = following(StalePolicy::FailOpen, PATIENCE).await;
    // There was no list yet when it asked, so that it has no reason to ask again soon.
    issuer.reply(LISTS, Reply::Json(json!({"status_lists": []})));
    let asked = || issuer.requests().iter().filter(|line| line.contains(&format!("{LISTS} "))).count();
    let before = asked();
    until("it asks which lists there are", async || asked() != before).await;
    issuer.reply(LISTS, Reply::Json(json!({"status_lists": [uri(&issuer)]})));
    present(&issuer, &resource, 7).await.assert_ok();

    publish(&issuer, &list(&issuer, &[7]).sign(issuer.key()));

    // The list keeps for a second.
    timeout(PATIENCE / 4, await_status(&issuer, &resource, 7, 401)).await.expect("its own time to live counts");
}

#[tokio::test]
async fn a_list_that_nobody_can_trust_is_not_believed() {
    let (issuer, resource, _home) = following(StalePolicy::FailOpen, PATIENCE).await;
    let at = |number: usize| format!("/status-lists/of-test-{number}");
    let marked = |number: usize| list(&issuer, &[7]).claim("sub", format!("{}{}", issuer.url(), at(number)));
    let key = issuer.key();

    let good = marked(0).sign(key);
    for (number, (list, status)) in [
        (good.clone(), 401),
        (marked(1).sign(&SigningKey::generate()), 200),
        (marked(2).header("typ", "JWT").sign(key), 200),
        (marked(3).header("typ", "at+jwt").sign(key), 200),
        (marked(4).header("alg", "none").sign(key), 200),
        (marked(5).claim("sub", uri(&issuer)).sign(key), 200),
        (marked(6).claim("iss", "https://evil.example").sign(key), 200),
        (marked(7).moved(-3600).sign(key), 200),
        (marked(8).moved(3600).sign(key), 200),
        (marked(9).without("sub").sign(key), 200),
        (marked(10).without("status_list").sign(key), 200),
        (marked(11).claim("status_list", json!({"bits": 1, "lst": "nonsense"})).sign(key), 200),
        (marked(12).sign(key).replace('.', "-"), 200),
        (good, 200),
        (marked(14).sign(key), 401),
    ]
    .into_iter()
    .enumerate()
    {
        issuer.reply(&at(number), raw("200 OK\r\nContent-Type: application/statuslist+jwt", &list));
        let status_claim = json!({"status_list": {"idx": 7, "uri": format!("{}{}", issuer.url(), at(number))}});
        let token = issuer.token_for(resource.id()).claim("status", status_claim).sign(key);
        let answer = resource.http().get("/me").bearer(&token).send().await;
        assert_eq!(answer.status(), status, "list {number}\n{answer}");
    }
}

#[tokio::test]
async fn lists_that_cannot_be_had_are_answered_as_the_settings_say() {
    for (policy, status) in [(StalePolicy::FailOpen, 200), (StalePolicy::FailClosed, 503)] {
        let (issuer, resource, _home) = following(policy, Duration::from_secs(2)).await;
        await_status(&issuer, &resource, 7, 200).await;

        issuer.reply(LISTS, raw("500 Internal Server Error", ""));
        issuer.reply(LIST, raw("500 Internal Server Error", ""));
        let ready = || resource.http().get("/health/ready").send();
        let expected = if status == 200 { 200 } else { 503 };
        until("it is noticed", async || {
            let answer = ready().await;
            assert!(matches!(answer.status(), 200 | 503), "{answer}");
            !answer.json()["checks"]["revocations"].to_string().contains("\"fresh\":true")
        })
        .await;

        let answer = await_status(&issuer, &resource, 7, status).await;
        if status == 503 {
            answer.assert_problem(503);
            assert!(answer.header("retry-after").is_some(), "{answer}");
            assert_eq!(answer.header("www-authenticate"), None, "the token is not at fault: {answer}");
        }
        ready().await.assert_status(expected);

        issuer.reply(LISTS, Reply::Json(json!({"status_lists": [uri(&issuer)]})));
        publish(&issuer, &list(&issuer, &[]).sign(issuer.key()));
        await_status(&issuer, &resource, 7, 200).await;
    }
}

#[tokio::test]
async fn a_list_elsewhere_is_never_asked_for() {
    let elsewhere = MockIssuer::start().await;
    let (issuer, resource, _home) = following(StalePolicy::FailOpen, PATIENCE).await;
    let foreign = json!({"status_list": {"idx": 0, "uri": format!("{}{LIST}", elsewhere.url())}});

    let token = issuer.token_for(resource.id()).claim("status", foreign.clone()).sign(issuer.key());
    resource.http().get("/me").bearer(&token).send().await.assert_invalid_token();
    let forged = issuer.token_for(resource.id()).claim("status", foreign).sign(&SigningKey::generate());
    resource.http().get("/me").bearer(&forged).send().await.assert_invalid_token();

    assert!(elsewhere.requests().is_empty(), "{:?}", elsewhere.requests());
}
