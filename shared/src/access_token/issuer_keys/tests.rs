//! The follower against an issuer that behaves, that misbehaves, and that is not there.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinSet, time::sleep};

use super::*;
use crate::access_token::{
    AccessTokenVerifier,
    testing::{Answer, RESOURCE, SigningKey, WebServer, claims, jwks},
};

const JWKS: &str = "/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";

fn keys() -> [SigningKey; 2] {
    [SigningKey::new("key-1", 0), SigningKey::new("key-2", 1)]
}

fn token(issuer: &str, key: &SigningKey) -> String {
    key.token(&claims(json!({ "iss": issuer })))
}

/// A builder that refreshes only when asked.
fn lazy(issuer: &str) -> Builder {
    IssuerKeys::builder(issuer).refresh_within(Duration::from_mins(9)..=Duration::from_mins(10))
}

/// A builder that refreshes many times in a test.
fn busy(issuer: &str) -> Builder {
    IssuerKeys::builder(issuer).refresh_within(Duration::from_millis(20)..=Duration::from_millis(30))
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}

#[tokio::test]
async fn jk_04_many_requests_at_a_cold_start_are_one_fetch() {
    let ([key, _], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&key]);
    let verifier = AccessTokenVerifier::following(lazy(&server.url).start().unwrap(), RESOURCE);
    let mut requests = JoinSet::new();
    for number in 0..200 {
        let token = key.token(&claims(json!({ "iss": server.url, "jti": number.to_string() })));
        let verifier = verifier.clone();
        requests.spawn(async move { verifier.verify(&token).await.map(|claims| claims.sub.clone()) });
    }
    for outcome in requests.join_all().await {
        assert_eq!(outcome.unwrap(), "usr_1");
    }
    assert_eq!((server.count(METADATA), server.count(JWKS)), (1, 1));
}

#[tokio::test]
async fn a_key_we_do_not_know_is_asked_for_once_and_only_for_a_token_that_would_be_good() {
    let ([first, second], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&first]);
    let verifier = AccessTokenVerifier::following(lazy(&server.url).start().unwrap(), RESOURCE);
    assert!(verifier.verify(&token(&server.url, &first)).await.is_ok());
    // Nobody's token that is out of date, of another issuer or for another resource may make us ask.
    for changes in [
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": server.url, "aud": "other" }),
        json!({ "iss": server.url, "exp": 1, "iat": 0, "nbf": null }),
    ] {
        let error = verifier.verify(&second.token(&claims(changes))).await.unwrap_err();
        assert!(matches!(error.code(), "issuer" | "audience" | "expired"));
    }
    assert_eq!(server.count(JWKS), 1);
    // The issuer has a new key: its first token is accepted without a refusal in between.
    server.publish(&server.url, &[&first, &second]);
    assert!(verifier.verify(&token(&server.url, &second)).await.is_ok());
    assert_eq!(server.count(JWKS), 2);
    assert!(server.last(JWKS).contains("cache-control: no-cache"));
    // A key that does not exist is asked for once.
    let stranger = SigningKey::new("stranger", 1);
    for _ in 0..3 {
        assert_eq!(verifier.verify(&token(&server.url, &stranger)).await.unwrap_err().code(), "unknown_key");
    }
    assert_eq!(server.count(JWKS), 3);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_few_fetches_and_disturbs_nobody() {
    let ([key, new], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&key]);
    let verifier = AccessTokenVerifier::following(lazy(&server.url).start().unwrap(), RESOURCE);
    assert!(verifier.verify(&token(&server.url, &key)).await.is_ok());
    let mut flood = JoinSet::new();
    for number in 0..1_000 {
        let (verifier, token) = (verifier.clone(), token(&server.url, &SigningKey::new(&format!("random-{number}"), 1)));
        flood.spawn(async move { verifier.verify(&token).await });
    }
    server.publish(&server.url, &[&key, &new]);
    for number in 0..20 {
        let fresh = key.token(&claims(json!({ "iss": server.url, "jti": number.to_string() })));
        assert!(verifier.verify(&fresh).await.is_ok());
    }
    // Even a key that was published during the flood is found; at worst the caller is asked to come again.
    let genuine = token(&server.url, &new);
    loop {
        match verifier.verify(&genuine).await {
            Ok(_) => break,
            Err(error) => assert!(error.is_our_fault(), "{error}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
    for outcome in flood.join_all().await {
        assert!(matches!(outcome.unwrap_err().code(), "unknown_key" | "keys_unavailable"));
    }
    assert!(server.count(JWKS) <= 12, "{}", server.count(JWKS));
}

#[tokio::test]
async fn jk_08_a_removed_key_is_untrusted_at_the_next_refresh() {
    let ([old, new], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&old, &new]);
    let followed = busy(&server.url).start().unwrap();
    let verifier = AccessTokenVerifier::following(followed.clone(), RESOURCE);
    let token = token(&server.url, &old);
    assert!(verifier.verify(&token).await.is_ok());
    server.publish(&server.url, &[&new]);
    until("the key is gone", || followed.state().key_ids == ["key-2"]).await;
    assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "unknown_key");
}

#[tokio::test]
async fn jk_05_bad_answers_leave_the_last_good_keys_alone() {
    let ([key, other], elsewhere) = (keys(), Arc::new(WebServer::start().await));
    elsewhere.publish("http://elsewhere.example", &[&other]);
    let far = |path: &str| Answer::Redirect(format!("{}{path}", elsewhere.url));
    let moved = json!({ "issuer": "ISSUER", "jwks_uri": format!("{}{JWKS}", elsewhere.url) }).to_string();
    let impostor = json!({ "issuer": elsewhere.url, "jwks_uri": "ISSUER/jwks.json" }).to_string();
    let many = jwks(&[&other; 33].map(|key| key));
    let rows = [
        (JWKS, Answer::Status(500), "answered 500"),
        (JWKS, Answer::json("<html>"), "not a JSON Web Key Set"),
        (JWKS, Answer::json(r#"{"keys":[]}"#), "no usable key"),
        (JWKS, Answer::json(&jwks(&[&key])[..100]), "not a JSON Web Key Set"),
        (JWKS, Answer::json(vec![b' '; 300 * 1024]), "more than 262144 bytes"),
        (JWKS, Answer::json(many), "more than 32 keys"),
        (JWKS, far(JWKS), "redirect"),
        (METADATA, far(METADATA), "answered 503"),
        (METADATA, Answer::json(moved), "not at the issuer's origin"),
        (METADATA, Answer::json(impostor), "of another issuer"),
        (METADATA, Answer::json("{}"), "cannot be read"),
    ];
    let mut running = JoinSet::new();
    for (path, answer, error) in rows {
        running.spawn(async move {
            let ([key, _], server) = (keys(), WebServer::start().await);
            server.publish(&server.url, &[&key]);
            let followed = busy(&server.url).start().unwrap();
            until("keys", || followed.state().usable).await;
            let answer = match answer {
                Answer::Document { body, headers } => {
                    let body = String::from_utf8(body).unwrap().replace("ISSUER", &server.url);
                    Answer::Document { body: body.into(), headers }
                }
                other => other,
            };
            server.answer(path, answer);
            if path == METADATA {
                // Metadata is read again after a failure.
                server.answer(JWKS, Answer::Status(503));
            }
            until(error, || followed.state().last_error.is_some_and(|last| last.contains(error))).await;
            assert_eq!(followed.state().key_ids, ["key-1"], "{error}");
            let verifier = AccessTokenVerifier::following(followed, RESOURCE);
            assert!(verifier.verify(&token(&server.url, &key)).await.is_ok(), "{error}");
        });
    }
    running.join_all().await;
    assert_eq!(elsewhere.connections(), 0, "A.JK-12");
}

#[tokio::test]
async fn jk_05_stale_keys_are_not_trusted_and_the_fault_is_ours() {
    let ([key, _], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&key]);
    let followed = busy(&server.url).max_stale(Duration::from_millis(200)).start().unwrap();
    let verifier = AccessTokenVerifier::following(followed.clone(), RESOURCE);
    let token = token(&server.url, &key);
    assert!(verifier.verify(&token).await.is_ok());
    server.answer(JWKS, Answer::Status(500));
    until("the keys are stale", || !followed.state().usable).await;
    let error = verifier.verify(&token).await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(RETRY_AFTER)));
    server.publish(&server.url, &[&key]);
    until("the issuer is back", || followed.state().usable).await;
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_known_key_never_waits_for_an_issuer_that_hangs() {
    let ([key, new], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&key]);
    let verifier = AccessTokenVerifier::following(lazy(&server.url).start().unwrap(), RESOURCE);
    assert!(verifier.verify(&token(&server.url, &key)).await.is_ok());
    server.answer(JWKS, Answer::Silence);
    let waiting = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token(&server.url, &new));
        async move { verifier.verify(&token).await }
    });
    until("the fetch hangs", || server.count(JWKS) == 2).await;
    let fresh = key.token(&claims(json!({ "iss": server.url, "jti": "2" })));
    assert!(timeout(Duration::from_millis(200), verifier.verify(&fresh)).await.unwrap().is_ok());
    waiting.abort();
}

#[tokio::test]
async fn jk_10_a_start_before_the_issuer_recovers_by_itself() {
    let ([key, _], server) = (keys(), WebServer::start().await);
    let followed = lazy(&server.url).start().unwrap();
    let verifier = AccessTokenVerifier::following(followed.clone(), RESOURCE);
    let token = token(&server.url, &key);
    assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "keys_unavailable");
    assert_eq!(verifier.verify("not.a.token").await.unwrap_err().code(), "malformed");
    let state = followed.state();
    assert!(!state.usable && state.failures > 0 && state.age.is_none());
    server.publish(&server.url, &[&key]);
    until("keys", || followed.state().usable).await;
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn kept_keys_let_a_verifier_start_while_the_issuer_is_away() {
    let directory = Directory::new("kept");
    let ([key, _], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&key]);
    let issuer = server.url.clone();
    let token = token(&issuer, &key);
    let keep = || lazy(&issuer).keep_in(Some(directory.0.clone()));
    let file = directory.0.join("issuer-keys.json");
    let followed = keep().start().unwrap();
    until("the keys are kept", || file.exists()).await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop((followed, server));

    let followed = keep().start().unwrap();
    assert!(AccessTokenVerifier::following(followed.clone(), RESOURCE).verify(&token).await.is_ok());
    assert!(followed.state().age.is_some() && followed.metadata().is_some());

    let change = |from: &str, to: &str| {
        let kept = fs::read_to_string(&file).unwrap();
        fs::write(&file, kept.replace(from, to)).unwrap();
    };
    let is_refused = async || {
        let verifier = AccessTokenVerifier::following(keep().start().unwrap(), RESOURCE);
        verifier.verify(&token).await.unwrap_err().code() == "keys_unavailable"
    };
    change("\"confirmed\":1", "\"confirmed\":9");
    assert!(is_refused().await, "a time in the future proves nothing");
    change("\"confirmed\":9", "\"confirmed\":0");
    assert!(is_refused().await, "too old");
    change("\"confirmed\":0", "\"confirmed\":1");
    change(&format!("\"issuer\":\"{issuer}\""), "\"issuer\":\"http://other.example\"");
    assert!(is_refused().await, "of another issuer");
    fs::write(&file, "{").unwrap();
    assert!(is_refused().await, "broken");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again_and_counts_as_confirmed() {
    let ([key, _], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&key]);
    let headers = vec![("ETag", "\"v1\"".to_owned()), ("Cache-Control", "public, max-age=0".to_owned())];
    server.answer(JWKS, Answer::Document { body: jwks(&[&key]).into(), headers });
    let followed = busy(&server.url).max_stale(Duration::from_millis(500)).start().unwrap();
    until("many refreshes", || server.count(JWKS) > 20).await;
    assert!(server.last(JWKS).contains("if-none-match: \"v1\""));
    let state = followed.state();
    assert!(state.usable && state.failures == 0 && state.age.unwrap() < Duration::from_millis(500));
}

#[tokio::test]
async fn connections_can_go_elsewhere_while_the_names_stay_the_issuers() {
    let ([key, _], server) = (keys(), WebServer::start().await);
    for issuer in ["http://auth.example:8080", "http://auth.example", "http://192.0.2.1:9"] {
        server.publish(issuer, &[&key]);
        let followed = lazy(issuer).connect_to(Some(server.authority().to_owned())).start().unwrap();
        let verifier = AccessTokenVerifier::following(followed, RESOURCE);
        assert!(verifier.verify(&token(issuer, &key)).await.is_ok());
        assert!(server.last(JWKS).contains(&format!("host: {}\r\n", &issuer[7..])));
    }
}

#[tokio::test]
async fn tls_is_told_the_issuers_name_wherever_the_connection_goes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let _followed = match lazy("https://auth.example:8443").connect_to(Some(place)).start() {
        Ok(followed) => followed,
        // A machine without any trusted certificates cannot speak TLS to anybody.
        Err(IssuerError::Client(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; 4096];
    let length = stream.read(&mut hello).await.unwrap();
    assert_eq!(hello[..2], [22, 3], "a TLS handshake");
    assert!(hello[..length].windows(12).any(|window| window == b"auth.example"));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    for issuer in
        ["", "auth.example", "ftp://auth.example", "https://auth.example?a", "https://auth.example#a", "https://u@auth.example"]
    {
        assert!(matches!(IssuerKeys::builder(issuer).start(), Err(IssuerError::Issuer(_))), "{issuer}");
    }
    for place in ["", "host", "host:", "host:port", ":80", "ho st:80", "http://host:80"] {
        let builder = IssuerKeys::builder("http://auth.example").connect_to(Some(place.into()));
        assert!(matches!(builder.start(), Err(IssuerError::ConnectTo(..))), "{place}");
    }
}

#[tokio::test]
async fn the_task_ends_with_the_last_clone() {
    let server = WebServer::start().await;
    server.publish(&server.url, &[&keys()[0]]);
    let followed = busy(&server.url).start().unwrap();
    let clone = followed.clone();
    until("it runs", || server.count(JWKS) > 2).await;
    drop(followed);
    let before = server.count(JWKS);
    until("it still runs", || server.count(JWKS) > before).await;
    drop(clone);
    sleep(Duration::from_millis(50)).await;
    let after = server.count(JWKS);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(server.count(JWKS), after);
}

/// A directory of one test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shared-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(AsRef::<Path>::as_ref(&self.0));
    }
}
