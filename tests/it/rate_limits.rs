//! How often anybody may come (RFC 6585 §4, draft-ietf-httpapi-ratelimit-headers).

use shared::server::rate_limit::rules;
use tests::{AuthHome, AuthServer, PASSWORD, Stack};

async fn limited(text: &'static str) -> (AuthHome, AuthServer) {
    let home = AuthHome::new().await;
    let auth = home.start(|config| config.rate_limits = rules(text).expect("these are rules")).await.expect("it starts");
    (home, auth)
}

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
    refused.assert_status(429).assert_hardened();
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
