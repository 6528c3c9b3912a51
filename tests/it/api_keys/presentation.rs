//! How a key is shown to an API, and what is refused at once.

use std::time::Duration;

use serde_json::json;
use tests::{MockIssuer, PASSWORD, Reply, ResourceHome, Stack};

use super::{account_token, create, id_of, stack_with_ada};

#[tokio::test]
async fn a_ak_03_a_key_anywhere_but_in_its_header_is_none() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let me = |query: &str| stack.api().get(&format!("/me{query}"));

    for call in [
        me(&format!("?api_key={key}")),
        me(&format!("?x-api-key={key}")),
        me("").header("cookie", format!("x-api-key={key}")),
        me("").header("authorization", format!("ApiKey {key}")),
        me("").header("authorization", format!("Basic {}", base64(&format!("ada:{key}")))),
    ] {
        let challenge = call.send().await.assert_no_credentials();
        assert!(challenge.takes_api_keys(), "{challenge:?}");
    }
    // As a bearer token it is no access token.
    me("").bearer(&key).send().await.assert_invalid_token();
    let exchanges = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert!(exchanges.is_empty());
}

fn base64(text: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}

#[tokio::test]
async fn a_ak_05_made_up_keys_are_refused_and_cost_the_issuer_a_bounded_number_of_questions() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    stack.present_key(&key).await.assert_ok();
    let made_up = |number: u16| {
        let mut secret = [0; 32];
        secret[..2].copy_from_slice(&number.to_be_bytes());
        shared::access_token::ApiKey::compose(id_of(&key), &secret)
    };

    let mut away = 0;
    for number in 0..300 {
        let answer = stack.present_key(&made_up(number)).await;
        if answer.status() == 503 {
            away += 1;
            answer.assert_problem(503);
            assert!(answer.header("retry-after").is_some());
            assert_eq!(answer.header("www-authenticate"), None);
        } else {
            assert!(answer.assert_invalid_token().takes_api_keys());
        }
    }
    for wrong in [format!("{}_{}", id_of(&key), "0".repeat(72)), key.replacen("ask_", "sk__", 1)] {
        stack.present_key(&wrong).await.assert_invalid_token();
    }

    assert!(away > 0, "the flood is slowed down");
    stack.present_key(&key).await.assert_ok();
    let asked = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE reason = 'wrong_secret'").await;
    assert_eq!(asked.len() + away, 300);
}

#[tokio::test]
async fn a_ak_05_a_refused_key_is_not_asked_about_again_at_once() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    stack.operator().revoke_api_key(id_of(&key)).await.expect("there is such a key");

    for _ in 0..10 {
        stack.present_key(&key).await.assert_invalid_token();
    }

    let asked = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE reason = 'revoked'").await;
    assert!(asked.len() <= 2, "{} questions", asked.len());
}

#[tokio::test]
async fn a_ak_06_two_credentials_are_ambiguous_and_neither_counts() {
    let stack = stack_with_ada().await;
    stack.user("rob", &["reader"]).await;
    let (key, other) = (stack.api_key("admin", "documents:admin").await, stack.api_key("ada", "documents:read").await);
    let bearer = stack.client().log_in("rob", PASSWORD).await;
    let me = || stack.api().get("/me");

    for call in [
        me().api_key(&key).bearer(&bearer),
        me().bearer(&bearer).api_key(&key),
        me().api_key(&key).api_key(&other),
        me().api_key(&key).api_key(&key),
        me().api_key(&key).header("authorization", "Basic Og=="),
        me().api_key("").bearer(&bearer),
        me().api_key("nonsense").bearer(&bearer),
    ] {
        let challenge = call.send().await.assert_challenge(400, Some("invalid_request"));
        assert!(!challenge.takes_api_keys());
    }
    let in_both = stack.api().get(&format!("/me?access_token={bearer}")).api_key(&key).send().await;
    in_both.assert_challenge(400, Some("invalid_request"));
}

#[tokio::test]
async fn a_ak_08_what_is_no_key_is_refused_at_once_and_by_nobody_but_the_guard() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let spaced = format!("{key} ");

    for bad in [b"".as_slice(), b" ", b"ask_", b"a b", "ask_é".as_bytes(), b"ask_\xff\xfe", &[b'a'; 8000]] {
        let challenge = stack.api().get("/me").header("x-api-key", bad).send().await.assert_invalid_token();
        assert_eq!(challenge.attribute("error_description"), Some("the API key is malformed"));
    }
    // HTTP itself takes the space off (RFC 9110 §5.5).
    stack.present_key(&spaced).await.assert_ok();
    let huge = stack.api().get("/me").header("x-api-key", vec![b'a'; 100_000]).send().await;
    assert!((400..500).contains(&huge.status()), "{huge}");
    let asked = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert_eq!(asked.len(), 1, "the good one");
}

#[tokio::test]
async fn a_key_that_is_bound_to_networks_is_good_from_there_only() {
    let proxy = "127.0.0.1/32".parse().expect("a network");
    let stack = Stack::builder().resource(move |config| config.trusted_proxies = vec![proxy]).with_ada("editor").await;
    stack.await_ready().await;
    let token = account_token(&stack, "ada").await;
    let wanted = json!({"name": "ci", "scope": "documents:read", "sources": ["10.1.2.3/8", "2001:db8::1"]});
    let made = create(&stack, &token, &wanted).await.assert_status(201).json();
    let key = made["key"].as_str().expect("a key");
    let exchanged = stack.client().unnamed().exchange(key).await.assert_tokens();
    let me = || stack.api().get("/me");

    assert_eq!(made["sources"], json!(["10.0.0.0/8", "2001:db8::1/128"]));
    for (address, is_good) in
        [("10.9.9.9", true), ("2001:db8::1", true), ("::ffff:10.0.0.1", true), ("11.0.0.1", false), ("2001:db8::2", false)]
    {
        for call in [me().api_key(key), me().bearer(&exchanged)] {
            let answer = call.header("x-forwarded-for", address).send().await;
            if is_good {
                answer.assert_ok();
            } else {
                let challenge = answer.assert_invalid_token();
                assert_eq!(challenge.attribute("error_description"), Some("the credentials are not good from this address"));
            }
        }
    }
    me().api_key(key).send().await.assert_invalid_token();
    for sources in [json!(["10.0.0.0/33"]), json!([""]), json!(["anywhere"])] {
        let wanted = json!({"name": "ci", "scope": "documents:read", "sources": sources});
        create(&stack, &token, &wanted).await.assert_problem(422);
    }
    let wanted = json!({"name": "ci", "scope": "documents:read", "sources": vec!["10.0.0.0/8"; 17]});
    create(&stack, &token, &wanted).await.assert_problem(400);
}

#[tokio::test]
async fn a_wrong_key_does_not_close_what_is_open_to_everybody() {
    let stack = stack_with_ada().await;
    stack.api().get("/.well-known/oauth-protected-resource").api_key("nonsense").send().await.assert_ok();
}

#[tokio::test]
async fn a_service_that_takes_no_keys_does_not_look_at_them() {
    let stack = Stack::builder().resource(|config| config.api_keys = false).with_ada("editor").await;
    let key = stack.api_key("ada", "documents:read").await;

    let challenge = stack.present_key(&key).await.assert_no_credentials();

    assert!(!challenge.takes_api_keys());
    let document = stack.api().get("/openapi.json").send().await.assert_ok();
    assert_eq!(document["components"]["securitySchemes"].get("ApiKey"), None);
}

#[tokio::test]
async fn the_document_and_the_page_say_that_a_key_does_as_well() {
    let stack = Stack::start().await;

    let document = stack.api().get("/openapi.json").send().await.assert_ok();

    assert_eq!(document["components"]["securitySchemes"]["ApiKey"]["name"], "X-API-Key");
    let security = &document["paths"]["/documents"]["get"]["security"];
    assert_eq!(security, &json!([{"OAuth2": ["documents:read"]}, {"ApiKey": []}]));
    let own = stack.auth().http().get("/openapi.json").send().await.assert_ok();
    assert_eq!(own["components"]["securitySchemes"].get("ApiKey"), None);
    assert!(stack.api().get("/docs").send().await.text().contains("X-API-Key"));
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_the_keys_fault() {
    let issuer = MockIssuer::start().await;
    let home = ResourceHome::new().await;
    let resource = home.start(issuer.url(), |_| {}).await.expect("it starts");
    let key = |number: u8| shared::access_token::ApiKey::compose("ask_0123456789abcdef0123456789abcdef", &[number; 32]);
    let me = |number| resource.http().get("/me").api_key(&key(number)).send();
    let token = issuer.token_for(resource.id()).sign(issuer.key());

    // Nobody is at the token endpoint; it answers nonsense; it wants something else; it sends us elsewhere.
    let elsewhere =
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (number, reply) in [
        (1, None),
        (2, Some(Reply::Json(json!({"unexpected": true})))),
        (3, Some(Reply::Raw(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()))),
        (4, Some(Reply::Raw(elsewhere.to_vec()))),
    ] {
        if let Some(reply) = reply {
            issuer.reply("/token", reply);
        }
        let answer = me(number).await;
        answer.assert_problem(503);
        assert!(answer.header("retry-after").is_some(), "{answer}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    // A bearer token needs nobody.
    resource.http().get("/me").bearer(&token).send().await.assert_ok();
    // And once the issuer is back, so are the keys.
    issuer.reply("/token", Reply::Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 300})));
    tokio::time::timeout(Duration::from_mins(1), async { while me(5).await.status() != 200 {} }).await.expect("it recovers");
    let asked = issuer.requests().iter().filter(|line| line.starts_with("POST /token")).count();
    for _ in 0..5 {
        me(5).await.assert_ok();
    }
    assert_eq!(issuer.requests().iter().filter(|line| line.starts_with("POST /token")).count(), asked);
}
