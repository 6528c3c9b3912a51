//! What whoever is refused is told, and what nobody else may keep.

use serde_json::json;
use tests::{Challenge, Stack, jwt::Token};

use super::assert_tells_where_to_learn_more;

/// A.JV-01
#[tokio::test]
async fn without_credentials_the_challenge_has_no_error_code() {
    let stack = Stack::start().await;

    for call in [stack.api().get("/me"), stack.api().get("/documents"), stack.api().post("/documents").json(&json!({}))] {
        let challenge = call.send().await.assert_no_credentials();
        assert_eq!(challenge.names(), ["realm", "resource_metadata"]);
        assert_tells_where_to_learn_more(&challenge, &stack);
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_an_invalid_token() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;
    let key = stack.auth_home().signing_key().await;
    let (input, _) = token.rsplit_once('.').expect("a token has three segments");

    for bad in [
        "abc".to_owned(),
        input.to_owned(),
        format!("{input}."),
        format!("{token}a"),
        token.replacen('e', "f", 1),
        Token::read(&token).moved(-3600).sign(&key),
        Token::read(&token).claim("aud", stack.auth().issuer()).sign(&key),
        Token::read(&token).header("typ", "JWT").sign(&key),
    ] {
        let challenge = stack.api().get("/me").bearer(&bad).send().await.assert_invalid_token();
        assert_eq!(challenge.names(), ["error", "error_description", "realm", "resource_metadata"]);
        assert_tells_where_to_learn_more(&challenge, &stack);
    }
    // The tool that makes bad tokens makes good ones, too.
    stack.api().get("/me").bearer(&Token::read(&token).sign(&key)).send().await.assert_ok();
}

#[tokio::test]
async fn be_03_a_challenge_says_each_thing_once_and_in_plain_characters() {
    let stack = Stack::start().await;
    let reader = stack.token_of("ada", &["reader"]).await;
    let api = stack.api();

    // What is asserted is in `Challenge::parse`, which reads no attribute twice and no character that is not allowed.
    for call in [
        api.get("/me"),
        api.get("/me").bearer("x"),
        api.get("/me").header("authorization", "Bearer \"\\\u{e9}"),
        api.get("/me").header("authorization", "Bearer x, realm=\"y\", error=\"z\""),
        api.get("/admin/documents").bearer(&reader),
    ] {
        let answer = call.send().await;
        let challenge = Challenge::parse(answer.header("www-authenticate").expect("there is one"));
        assert_eq!(challenge.attribute("realm"), Some("documents"), "{answer}");
    }
}

#[tokio::test]
async fn be_04_an_answer_to_an_authorised_request_is_never_shared() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;

    for path in ["/me", "/documents"] {
        let answer = stack.api().get(path).bearer(&token).send().await;
        answer.assert_ok();
        assert_eq!(answer.assert_hardened().header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn be_05_every_error_is_a_problem_that_names_its_request() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let api = || stack.api();
    let document = json!({"title": "x", "content": ""});

    api().get("/nowhere").send().await.assert_problem(404);
    api().request("PATCH", "/documents").bearer(&token).send().await.assert_problem(405);
    api().post("/documents").bearer(&token).body("text/plain", "x").send().await.assert_problem(415);
    api().post("/documents").bearer(&token).body("application/json", "{").send().await.assert_problem(400);
    api().post("/documents").bearer(&token).json(&json!({"title": " ", "content": ""})).send().await.assert_problem(422);
    api().post("/documents").bearer(&token).body("application/json", "x".repeat(1 << 20)).send().await.assert_problem(413);
    api().get(&format!("/{}", "x".repeat(8 * 1024))).send().await.assert_problem(414);
    api().get("/me").header("x-padding", "x".repeat(20 * 1024)).send().await.assert_problem(431);
    api().get("/documents?limit=0").bearer(&token).send().await.assert_problem(400);
    let made = api().post("/documents").bearer(&token).json(&document).send().await;
    let path = made.assert_status(201).header("location").expect("a location").to_owned();
    api().put(&path).bearer(&token).header("if-match", "\"9\"").json(&document).send().await.assert_problem(412);
    for path in ["/nowhere", "/account/nowhere", "/oauth2/nowhere"] {
        stack.auth().http().get(path).send().await.assert_problem(404);
    }
    let own = api().get("/nowhere").header("x-request-id", "chosen-by-the-client").send().await;
    own.assert_problem(404).assert_no_echo("chosen-by-the-client");
}
