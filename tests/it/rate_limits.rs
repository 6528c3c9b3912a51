//! How often anybody may come (RFC 6585 §4, draft-ietf-httpapi-ratelimit-headers).

use shared::server::rate_limit::rules;
use tests::{AuthHome, AuthServer, PASSWORD, Stack};

async fn limited(text: &'static str) -> (AuthHome, AuthServer) {
    let home = AuthHome::new().await;
    let auth = home.start(|config| config.rate_limits = rules(text).expect("these are rules")).await.expect("it starts");
    (home, auth)
}

/// A.RL-11: refused before anybody has looked at who it is about, and in the form of the endpoint.
#[tokio::test]
async fn whoever_comes_too_often_is_told_when_to_come_back() {
    let (_home, auth) = limited("ip /oauth2/ 2/hour").await;
    auth.user("ada", &["editor"]).await;

    let first = auth.client().password("ada", PASSWORD).await;
    first.assert_tokens();
    assert_eq!(first.header("ratelimit-policy"), Some("\"ip/oauth2/\";q=2;w=3600"));
    assert_eq!(first.header("ratelimit"), Some("\"ip/oauth2/\";r=1"));
    auth.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");

    let refused = auth.client().password("ada", PASSWORD).await;
    refused.assert_oauth_error(429, "temporarily_unavailable").assert_hardened();
    let seconds: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("a number of seconds");
    assert!((1..=1800).contains(&seconds), "{refused}");
    assert_eq!(refused.header("ratelimit"), Some(&*format!("\"ip/oauth2/\";r=0;t={seconds}")));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    assert!(!refused.text().contains("access_token"), "{refused}");
}

#[tokio::test]
async fn a_limit_is_for_its_paths_and_never_for_probes() {
    let (_home, auth) = limited("ip /oauth2/ 1/hour").await;

    for _ in 0..3 {
        auth.http().get("/.well-known/jwks.json").send().await.assert_ok();
        auth.http().get("/health/ready").send().await.assert_ok();
    }
    let (_home, auth) = limited("ip 1/hour").await;
    for _ in 0..3 {
        auth.http().get("/health/live").send().await.assert_ok();
    }
}

/// A.RL-07.
#[tokio::test]
async fn a_rl_07_one_address_is_one_bucket_and_a_strangers_word_is_none() {
    let (_home, auth) = limited("ip 2/hour").await;
    for address in ["192.0.2.1", "192.0.2.2"] {
        auth.http().get("/.well-known/jwks.json").header("x-forwarded-for", address).send().await.assert_ok();
    }

    let call = auth.http().get("/.well-known/jwks.json").header("x-forwarded-for", "192.0.2.3");
    call.send().await.assert_problem(429);
}

#[tokio::test]
async fn one_token_has_its_share_and_leaves_others_theirs() {
    let stack = Stack::builder()
        .resource(|config| config.rate_limits = rules("credentials 2/hour").expect("these are rules"))
        .start()
        .await;
    let (ada, rob) = (stack.token_of("ada", &["editor"]).await, stack.token_of("rob", &["reader"]).await);

    for _ in 0..2 {
        stack.present(&ada).await.assert_ok();
    }

    let refused = stack.present(&ada).await;
    refused.assert_problem(429);
    assert!(refused.header("retry-after").is_some() && refused.header("www-authenticate").is_none(), "{refused}");
    stack.present(&rob).await.assert_ok();
}

#[tokio::test]
async fn a_subject_has_one_share_for_all_their_tokens() {
    let stack = Stack::builder()
        .resource(|config| config.rate_limits = rules("subject 2/hour, client 100/hour").expect("these are rules"))
        .start()
        .await;
    let (first, rob) = (stack.token_of("ada", &["editor"]).await, stack.token_of("rob", &["reader"]).await);
    let second = stack.client().log_in("ada", PASSWORD).await;

    let answer = stack.present(&first).await;
    answer.assert_ok();
    assert_eq!(answer.header("ratelimit-policy"), Some("\"subject\";q=2;w=3600, \"client\";q=100;w=3600"));
    assert_eq!(answer.header("ratelimit"), Some("\"subject\";r=1"));
    stack.present(&second).await.assert_ok();

    for token in [&first, &second] {
        let refused = stack.present(token).await;
        refused.assert_problem(429);
        assert!(refused.header("retry-after").is_some() && refused.header("www-authenticate").is_none(), "{refused}");
    }
    stack.present(&rob).await.assert_ok();
}

#[tokio::test]
async fn a_subject_is_not_charged_for_what_others_say_in_their_name() {
    let stack = Stack::builder()
        .resource(|config| config.rate_limits = rules("subject 1/hour, client 1/hour").expect("these are rules"))
        .start()
        .await;
    let ada = stack.token_of("ada", &["editor"]).await;

    for _ in 0..5 {
        // As much of the token as says whose it is, without the signature that proves it.
        let forged = format!("{}x", &ada[..ada.len() - 1]);
        let answer = stack.present(&forged).await;
        answer.assert_invalid_token();
        assert_eq!(answer.header("ratelimit"), None, "nobody is counted:\n{answer}");
    }

    stack.present(&ada).await.assert_ok();
    stack.present(&ada).await.assert_problem(429);
}

#[tokio::test]
async fn a_key_has_a_share_of_its_own() {
    let stack =
        Stack::builder().resource(|config| config.rate_limits = rules("key 1/hour").expect("these are rules")).start().await;
    let ada = stack.token_of("ada", &["editor"]).await;
    let (one, other) = (stack.api_key("ada", "documents:read").await, stack.api_key("ada", "documents:read").await);

    stack.present_key(&one).await.assert_ok();

    stack.present_key(&one).await.assert_problem(429);
    stack.present_key(&other).await.assert_ok();
    stack.present(&ada).await.assert_ok();
}

#[tokio::test]
async fn the_issuers_own_api_has_limits_by_subject_too() {
    let (_home, auth) = limited("subject /account 1/hour").await;
    auth.user("ada", &["editor"]).await;
    let token = auth.client().scope("account").log_in("ada", PASSWORD).await;

    auth.http().get("/account").bearer(&token).send().await.assert_ok();

    auth.http().get("/account").bearer(&token).send().await.assert_problem(429);
}

#[tokio::test]
async fn a_client_that_has_proved_its_name_has_one_share_and_nobody_else_can_use_it_up() {
    let stack = Stack::builder()
        .auth(|config| config.rate_limits = rules("client /oauth2/ 2/hour").expect("these are rules"))
        .start()
        .await;
    let app = stack.app("app").await;
    stack.user("ada", &["editor"]).await;

    for _ in 0..5 {
        let wrong = stack.client().basic("app", "cs_wrong").password("ada", PASSWORD).await;
        wrong.assert_invalid_client();
        assert_eq!(wrong.header("ratelimit"), None, "a wrong secret is not the client:\n{wrong}");
    }
    let session = app.open_session("ada", PASSWORD).await;
    let last = app.revoke(&session.refresh).await;
    last.assert_status(200);
    assert_eq!(last.header("ratelimit"), Some("\"client/oauth2/\";r=0"));

    let refused = app.password("ada", PASSWORD).await;
    refused.assert_oauth_error(429, "temporarily_unavailable").assert_hardened();
    assert!(refused.header("retry-after").and_then(|text| text.parse::<u64>().ok()).is_some_and(|wait| wait > 1), "{refused}");
    app.introspect(&session.access).await.assert_oauth_error(429, "temporarily_unavailable");
}

#[tokio::test]
async fn a_client_that_only_says_its_name_has_a_share_for_each_network() {
    let home = AuthHome::new().await;
    let auth = home.start(|config| {
        config.rate_limits = rules("client /oauth2/ 1/hour").expect("these are rules");
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let auth = auth.await.expect("it starts");
    auth.user("ada", &["editor"]).await;
    let log_in = async |from: &str| auth.client().password_request("ada", PASSWORD).header("x-forwarded-for", from).send().await;

    log_in("203.0.113.9").await.assert_tokens();
    log_in("203.0.113.9").await.assert_oauth_error(429, "temporarily_unavailable");

    log_in("198.51.100.7").await.assert_tokens();
}
