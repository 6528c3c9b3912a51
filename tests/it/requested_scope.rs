//! What a request asks for: scope and resource (RFC 6749 §3.3, RFC 8707 §2).

use auth_service::{ClientKind, NewClient};
use tests::{PASSWORD, Stack, jwt::Token};

#[tokio::test]
async fn te_14_a_scope_narrows_the_token_and_its_order_means_nothing() {
    let stack = Stack::start().await;
    stack.user("emil", &["editor"]).await;

    for (asked, granted) in [
        ("documents:read", "documents:read"),
        ("documents:write documents:read", "documents:read documents:write"),
        ("documents:read documents:read", "documents:read"),
        ("documents:read documents:admin", "documents:read"),
    ] {
        let answer = stack.client().scope(asked).password("emil", PASSWORD).await;
        let token = Token::read(&answer.assert_tokens());
        assert_eq!(answer.json()["scope"], granted, "{asked}");
        assert_eq!(token.claims["scope"], granted, "{asked}");
    }
    let everything = stack.client().password("emil", PASSWORD).await;
    assert_eq!(everything.assert_ok()["scope"], "documents:read documents:write", "the default is all of the default resource");
}

/// A.TE-12
#[tokio::test]
async fn te_14_a_scope_that_is_malformed_unknown_or_too_much_is_refused() {
    let stack = Stack::with_ada("reader").await;
    let narrow = stack.new_client("narrow", ClientKind::Public, &["password"], "documents:read");
    let narrow = stack.auth().register(NewClient { default_resource: None, ..narrow }).await;
    let too_many = (0..1_500).map(|number| format!("s{number}")).collect::<Vec<_>>().join(" ");

    for scope in [
        "unheard-of",
        "Documents:Read",
        "documents:read unheard-of",
        "documents:read  documents:write",
        " documents:read",
        "documents:read ",
        "documents:\"read\"",
        "documents\\read",
        "documents:read\tdocuments:write",
        "documents:read\r\ndocuments:write",
        "documents:réad",
        // What the user's roles do not hold at all.
        "documents:admin",
        // Two resources in one request.
        "documents:read account",
        &too_many,
    ] {
        stack.client().scope(scope).password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
    }
    let masses = (0..10_000).map(|number| format!("s{number}")).collect::<Vec<_>>().join(" ");
    stack.client().scope(&masses).password("ada", PASSWORD).await.assert_oauth_error(413, "invalid_request");
    stack.client().scope("documents:read\0").password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_request");
    narrow.clone().scope("documents:write").password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
    narrow.password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
}

#[tokio::test]
async fn te_14_a_resource_says_what_the_token_is_for() {
    let stack = Stack::with_ada("reader").await;

    let token = Token::read(&stack.client().resource(stack.auth().issuer()).log_in("ada", PASSWORD).await);
    assert_eq!((&token.claims["aud"], &token.claims["scope"]), (&stack.auth().issuer().into(), &"account".into()));

    for resource in ["https://other.example", "not a URL", &format!("{}/", stack.resource().id())] {
        stack.client().resource(resource).password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_target");
    }
    let mismatch = stack.client().resource(stack.auth().issuer()).scope("documents:read").password("ada", PASSWORD).await;
    mismatch.assert_oauth_error(400, "invalid_scope");
}
