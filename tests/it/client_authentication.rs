//! How a client shows which one it is (RFC 6749 §2.3, Appendix B).

use auth_service::ClientKind;
use tests::{PASSWORD, Stack, rows};

const SECRET: &str = "cs_its-secret";

/// A stack with a user and a confidential client that may show passwords.
async fn stack_with_batch() -> Stack {
    let stack = Stack::with_ada("reader").await;
    register(&stack, "batch", SECRET).await;
    stack
}

async fn register(stack: &Stack, id: &str, secret: &str) {
    stack.auth().register(stack.new_client(id, ClientKind::Confidential, &["password"], "documents:read")).await;
    rows::choose_secret(stack.auth_home().database(), id, secret).await;
}

#[tokio::test]
async fn te_08_a_secret_is_taken_from_the_header_and_from_the_body() {
    let stack = stack_with_batch().await;

    stack.client().basic("batch", SECRET).log_in("ada", PASSWORD).await;
    stack.client().in_body("batch", SECRET).log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn te_08_a_ca_05_a_secret_is_form_encoded_inside_the_header() {
    let stack = stack_with_batch().await;

    for (id, secret) in [
        ("percent", "100%"),
        ("percent-encoded", "100%25"),
        ("plus", "a+b c"),
        ("colon", "a:b::c"),
        ("utf-8", "geheim-ü-é-日本"),
        ("all", "%+: é&=\"\\"),
    ] {
        register(&stack, id, secret).await;
        stack.client().basic(id, secret).log_in("ada", PASSWORD).await;
        stack.client().in_body(id, secret).log_in("ada", PASSWORD).await;
    }
}

/// A.CA-03, A.CA-04
#[tokio::test]
async fn te_09_a_client_authenticates_in_one_way() {
    let stack = stack_with_batch().await;
    register(&stack, "other", "another secret").await;
    let grant = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD)];
    let with = |further: &[(&str, &str)]| stack.client().basic("batch", SECRET).request(&[&grant, further].concat()).send();

    with(&[("client_id", "batch")]).await.assert_tokens();
    with(&[("client_secret", SECRET)]).await.assert_oauth_error(400, "invalid_request");
    with(&[("client_id", "batch"), ("client_secret", SECRET)]).await.assert_oauth_error(400, "invalid_request");
    with(&[("client_id", "other")]).await.assert_oauth_error(400, "invalid_request");
    with(&[("client_id", "first-party")]).await.assert_oauth_error(400, "invalid_request");
    let two_headers = stack.client().basic("batch", SECRET).request(&grant).header("authorization", "Basic Og==");
    two_headers.send().await.assert_oauth_error(400, "invalid_request");
}

/// A.CA-01, A.CA-02
#[tokio::test]
async fn te_10_a_client_that_is_not_recognised_gets_a_challenge() {
    let stack = stack_with_batch().await;
    let client = stack.client();
    register(&stack, "gone", SECRET).await;
    stack.operator().enable_client("gone", false).await.expect("there is such a client");

    for refused in [
        client.clone().basic("batch", "wrong"),
        client.clone().basic("batch", ""),
        client.clone().basic("nobody", SECRET),
        client.clone().basic("gone", SECRET),
        client.clone().basic("", SECRET),
        client.clone().in_body("batch", "wrong"),
        client.clone().in_body("nobody", SECRET),
        client.clone().in_body("gone", SECRET),
        client.clone().public("batch"),
        client.clone().public("nobody"),
        client.clone().public("gone"),
    ] {
        refused.password("ada", PASSWORD).await.assert_invalid_client();
    }
}

/// A.CA-02
#[tokio::test]
async fn te_10_unknown_wrong_and_disabled_cannot_be_told_apart() {
    let stack = stack_with_batch().await;
    register(&stack, "gone", SECRET).await;
    stack.operator().enable_client("gone", false).await.expect("there is such a client");
    let client = stack.client();

    let reference = client.clone().basic("batch", "wrong").password("ada", PASSWORD).await;

    for refused in [
        client.clone().basic("nobody", SECRET),
        client.clone().basic("gone", SECRET),
        client.clone().in_body("batch", "wrong"),
        client.clone().in_body("nobody", SECRET),
        client.public("gone"),
    ] {
        let answer = refused.password("ada", PASSWORD).await;
        assert_eq!(answer.text(), reference.text());
        for name in reference.headers().keys().filter(|name| !["date", "x-request-id"].contains(&name.as_str())) {
            assert_eq!(answer.header(name.as_str()), reference.header(name.as_str()), "{name}");
        }
    }
}

/// A.CA-13
#[tokio::test]
async fn te_10_an_identifier_is_compared_exactly() {
    let stack = stack_with_batch().await;

    for id in ["Batch", "BATCH", "batch ", " batch", "b\u{430}tch", "ｂatch", "batch\u{200b}", "bat", "batch2"] {
        stack.client().basic(id, SECRET).password("ada", PASSWORD).await.assert_invalid_client();
        stack.client().in_body(id, SECRET).password("ada", PASSWORD).await.assert_invalid_client();
    }
}

#[tokio::test]
async fn te_10_a_header_that_cannot_be_read_is_no_authentication() {
    let stack = stack_with_batch().await;
    let grant = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD), ("client_id", "first-party")];

    for header in [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YmF0Y2g",
        "Basic YmF0Y2g6JXp6",
        "Basic /////w==",
        "Bearer abc",
        "Negotiate abc",
        "batch:secret",
    ] {
        let answer = stack.client().unnamed().request(&grant).header("authorization", header).send().await;
        answer.assert_invalid_client();
    }
}

/// A.CA-12
#[tokio::test]
async fn te_11_a_public_client_gives_its_name_and_nothing_else() {
    let stack = stack_with_batch().await;
    let client = stack.client();

    client.clone().public("first-party").log_in("ada", PASSWORD).await;
    client.clone().basic("first-party", "").log_in("ada", PASSWORD).await;
    client.clone().in_body("first-party", "anything").password("ada", PASSWORD).await.assert_invalid_client();
    client.basic("first-party", "anything").password("ada", PASSWORD).await.assert_invalid_client();
}

#[tokio::test]
async fn te_11_outside_development_every_client_gives_its_name() {
    let stack = stack_with_batch().await;
    stack.client().unnamed().log_in("ada", PASSWORD).await;
    let issuer = stack.auth().issuer().to_owned();
    let (home, _) = stack.stop().await;

    let production = home.start(|config| {
        config.issuer = Some(issuer);
        config.profile = auth_service::Profile::Production;
    });
    let production = production.await.expect("it starts on the same database");

    production.client().unnamed().password("ada", PASSWORD).await.assert_invalid_client();
    production.client().public("first-party").log_in("ada", PASSWORD).await;
    production.client().basic("batch", SECRET).log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_request_that_shows_no_client_is_refused_before_anything_else_is_looked_at() {
    let stack = stack_with_batch().await;
    let batch = stack.client().basic("batch", "wrong");

    // Were the password looked at first, the answer would tell strangers whether it is right.
    batch.password("ada", PASSWORD).await.assert_invalid_client();
    batch.password("ada", "wrong").await.assert_invalid_client();
    batch.scope("unheard-of").password("ada", PASSWORD).await.assert_invalid_client();
}
