//! When the issuer is asked, and that it is asked no more often.

use super::*;

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
