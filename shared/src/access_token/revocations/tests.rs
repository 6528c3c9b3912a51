//! Revoked tokens at the verifier, and the follower against an issuer that misbehaves.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use super::*;
use crate::access_token::{
    AccessTokenVerifier,
    status_list::StatusList,
    testing::{Answer, ISSUER, RESOURCE, SigningKey, WebServer, claims, now, verifier},
};

const AGGREGATION: &str = "/status-lists";
const LIST: &str = "/status-lists/1";

/// An issuer with a list of 16 places, followed.
struct Issuer {
    server: WebServer,
    key: SigningKey,
    list: StatusList,
}

impl Issuer {
    async fn start() -> Self {
        let (server, key) = (WebServer::start().await, SigningKey::new("key-1", 0));
        server.publish(&server.url, &[&key]);
        let issuer = Self { server, key, list: StatusList::new(1, 16).unwrap() };
        issuer.name(&[LIST]);
        issuer.publish();
        issuer
    }

    fn uri(&self) -> String {
        format!("{}{LIST}", self.server.url)
    }

    fn name(&self, paths: &[&str]) {
        let uris: Vec<_> = paths.iter().map(|path| format!("{}{path}", self.server.url)).collect();
        self.server.answer(AGGREGATION, Answer::json(json!({ "status_lists": uris }).to_string()));
    }

    /// The claims of a Status List Token with this list.
    fn list_claims(&self, list: &Value) -> Value {
        json!({ "sub": self.uri(), "iat": now(), "exp": now() + 600, "ttl": 0, "status_list": list })
    }

    /// A Status List Token with these changes.
    fn list_token(&self, changes: &Value) -> String {
        let mut token = self.list_claims(&json!({ "bits": 1, "lst": self.list.to_lst() }));
        for (name, value) in changes.as_object().unwrap() {
            token[name] = value.clone();
        }
        self.key.jwt("statuslist+jwt", &token)
    }

    fn publish(&self) {
        self.server.answer(LIST, Answer::json(self.list_token(&json!({}))));
    }

    fn revoke(&mut self, place: u64) {
        self.list.set(place, 1).unwrap();
        self.publish();
    }

    /// An access token whose status is at this place of this list.
    fn token(&self, place: u64, uri: &str) -> String {
        let status = json!({ "status_list": { "idx": place, "uri": uri } });
        self.key.token(&claims(json!({ "iss": self.server.url, "status": status, "jti": place.to_string() })))
    }

    fn follow(&self, prepare: impl FnOnce(Builder) -> Builder) -> (AccessTokenVerifier, Revocations) {
        let keys = IssuerKeys::builder(&self.server.url).start().unwrap();
        let builder = Revocations::following(&keys).poll_at_most_every(Duration::from_millis(20));
        let revocations = prepare(builder).start();
        (AccessTokenVerifier::following(keys, RESOURCE).revocations(revocations.clone()), revocations)
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}

async fn code(verifier: &AccessTokenVerifier, token: &str) -> &'static str {
    verifier.verify(token).await.map_or_else(|error| error.code(), |_| "good")
}

#[tokio::test]
async fn a_revoked_token_is_refused_even_if_it_is_remembered() {
    let mut issuer = Issuer::start().await;
    let (verifier, revocations) = issuer.follow(|builder| builder);
    let (first, second) = (issuer.token(3, &issuer.uri()), issuer.token(4, &issuer.uri()));
    assert_eq!((code(&verifier, &first).await, code(&verifier, &second).await), ("good", "good"));
    issuer.revoke(3);
    until("it is revoked", async || code(&verifier, &first).await == "revoked").await;
    assert_eq!(code(&verifier, &second).await, "good");
    let state = revocations.state().unwrap();
    assert!(state.lists == 1 && state.fresh && state.unchecked == 0 && state.last_error.is_none(), "{state:?}");
}

#[tokio::test]
async fn a_place_that_is_not_there_and_a_list_elsewhere_are_refused() {
    let (issuer, elsewhere) = (Issuer::start().await, WebServer::start().await);
    let (verifier, _) = issuer.follow(|builder| builder);
    assert_eq!(code(&verifier, &issuer.token(16, &issuer.uri())).await, "malformed");
    for uri in [format!("{}{LIST}", elsewhere.url), "file:///etc/passwd".into(), "list".into()] {
        assert_eq!(code(&verifier, &issuer.token(1, &uri)).await, "malformed", "{uri}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_list_we_have_not_met_is_fetched_once_for_many_and_for_no_bad_token() {
    let issuer = Issuer::start().await;
    issuer.name(&[]);
    let (verifier, _) = issuer.follow(|builder| builder.poll_at_most_every(Duration::from_mins(1)));
    let impostor = SigningKey::new("key-1", 1);
    let status = json!({ "status_list": { "idx": 1, "uri": issuer.uri() } });
    let forged = impostor.token(&claims(json!({ "iss": issuer.server.url, "status": status })));
    assert_eq!(code(&verifier, &forged).await, "signature");
    assert_eq!(issuer.server.count(LIST), 0);
    let mut requests = JoinSet::new();
    for place in 0..16 {
        let (verifier, token) = (verifier.clone(), issuer.token(place, &issuer.uri()));
        requests.spawn(async move { code(&verifier, &token).await });
    }
    assert!(requests.join_all().await.into_iter().all(|code| code == "good"));
    assert_eq!(issuer.server.count(LIST), 1);
    assert!(issuer.server.last(LIST).contains("accept: application/statuslist+jwt"));
}

#[tokio::test]
async fn lists_that_cannot_be_believed_are_not() {
    type Bad = fn(&Issuer, &Value) -> String;
    let rows: [(Bad, &str); 11] = [
        (|issuer, all| issuer.list_token(&json!({ "status_list": all, "sub": issuer.uri() + "0" })), "something else"),
        (|issuer, all| issuer.list_token(&json!({ "status_list": all, "iss": "https://evil.example" })), "something else"),
        (|issuer, all| issuer.list_token(&json!({ "status_list": all, "exp": now() - 1 })), "out of date"),
        (|issuer, all| issuer.list_token(&json!({ "status_list": all, "iat": now() + 3600 })), "out of date"),
        (|issuer, all| issuer.list_token(&json!({ "status_list": all, "iat": now() - 3600 })), "out of date"),
        (|issuer, all| issuer.list_token(&json!({ "status_list": all, "iat": null })), "claims cannot be read"),
        (|issuer, _| issuer.list_token(&json!({ "status_list": { "bits": 3, "lst": "" } })), "1, 2, 4 or 8 bits"),
        (|issuer, _| issuer.list_token(&json!({ "status_list": { "bits": 8, "lst": bomb() } })), "longer than"),
        (|issuer, all| SigningKey::new("key-1", 1).jwt("statuslist+jwt", &issuer.list_claims(all)), "(signature)"),
        (|issuer, all| issuer.key.jwt("at+jwt", &issuer.list_claims(all)), "(type)"),
        (|_, _| "<html>".into(), "(malformed)"),
    ];
    let rows = rows.map(async |(bad, error)| {
        let issuer = Issuer::start().await;
        let mut all_revoked = issuer.list.clone();
        (0..16).for_each(|place| all_revoked.set(place, 1).unwrap());
        let all_revoked = json!({ "bits": 1, "lst": all_revoked.to_lst() });
        let (verifier, revocations) = issuer.follow(|builder| builder);
        let token = issuer.token(3, &issuer.uri());
        until("the list is followed", async || revocations.state().unwrap().lists == 1).await;
        issuer.server.answer(LIST, Answer::json(bad(&issuer, &all_revoked)));
        let is_reported = async || revocations.state().unwrap().last_error.is_some_and(|last| last.contains(error));
        until(error, is_reported).await;
        assert_eq!(code(&verifier, &token).await, "good", "{error}");
        issuer.server.answer(LIST, Answer::json(issuer.list_token(&json!({ "status_list": all_revoked }))));
        until("the genuine list counts", async || code(&verifier, &token).await == "revoked").await;
    });
    join_all(rows).await;
}

fn bomb() -> String {
    StatusList::new(8, 4 * 1024 * 1024).unwrap().to_lst()
}

#[tokio::test]
async fn without_fresh_lists_the_policy_decides() {
    for (policy, expected) in [(StalePolicy::FailOpen, "good"), (StalePolicy::FailClosed, "revocations_unavailable")] {
        let mut issuer = Issuer::start().await;
        issuer.revoke(4);
        let (verifier, revocations) = issuer.follow(|builder| builder.max_stale(Duration::from_millis(300)).when_stale(policy));
        let (good, revoked) = (issuer.token(3, &issuer.uri()), issuer.token(4, &issuer.uri()));
        assert_eq!((code(&verifier, &good).await, code(&verifier, &revoked).await), ("good", "revoked"));
        issuer.server.answer(LIST, Answer::Status(500));
        until("the list is stale", async || !revocations.state().unwrap().fresh).await;
        assert_eq!(code(&verifier, &good).await, expected);
        assert_eq!(revocations.state().unwrap().unchecked, u64::from(policy == StalePolicy::FailOpen));
        // A list that was never there is no different.
        assert_eq!(code(&verifier, &issuer.token(1, &format!("{}{LIST}0", issuer.server.url))).await, expected);
        issuer.publish();
        until("the list is back", async || code(&verifier, &revoked).await == "revoked").await;
        assert_eq!(code(&verifier, &good).await, "good");
    }
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_confirmed_and_one_that_is_gone_is_let_go() {
    let issuer = Issuer::start().await;
    let headers = vec![("ETag", "\"v1\"".to_owned())];
    issuer.server.answer(LIST, Answer::Document { body: issuer.list_token(&json!({})).into(), headers });
    let (_verifier, revocations) = issuer.follow(|builder| builder);
    until("many rounds", async || issuer.server.count(LIST) > 10).await;
    assert!(issuer.server.last(LIST).contains("if-none-match: \"v1\""));
    assert!(revocations.state().unwrap().last_error.is_none());
    issuer.name(&[]);
    until("it is let go", async || revocations.state().unwrap().lists == 0).await;
}

#[tokio::test]
async fn local_revocations_count_at_once() {
    let key = SigningKey::new("key-1", 0);
    let (verifier, _) = verifier(&[&key]);
    let verifier = verifier.revocations(Revocations::local(|reference| match (reference.uri.as_str(), reference.idx) {
        ("list", idx @ 0..4) => u8::try_from(idx).ok(),
        _ => None,
    }));
    for (place, expected) in [(0, "good"), (1, "revoked"), (2, "revoked"), (3, "revoked"), (4, "malformed")] {
        let status = json!({ "status_list": { "idx": place, "uri": "list" } });
        let token = key.token(&claims(json!({ "iss": ISSUER, "status": status })));
        assert_eq!(code(&verifier, &token).await, expected, "{place}");
    }
}
