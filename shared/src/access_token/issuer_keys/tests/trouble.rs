//! An issuer that misbehaves, hangs, or is not there yet.

use super::*;

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
