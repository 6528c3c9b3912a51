//! A session keeps the scope and the resource of its login: what can be asked for at a refresh is a part of them.

use tests::{PASSWORD, Stack, Tokens, jwt::Token};

#[tokio::test]
async fn rf_02_a_rr_07_a_scope_can_be_narrowed_and_comes_back_and_cannot_be_widened() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let first = app.clone().scope("documents:read documents:write").open_session("ada", PASSWORD).await;

    let narrowed = app.clone().scope("documents:read").refresh(&first.refresh).await;
    let second = Tokens::of(&narrowed);
    assert_eq!(narrowed.json()["scope"], "documents:read");
    assert_eq!(Token::read(&second.access).claims["scope"], "documents:read");

    for wider in ["documents:read account", "documents:admin", "unheard-of", "a\"b"] {
        let refused = app.clone().scope(wider).refresh(&second.refresh).await;
        refused.assert_oauth_error(400, "invalid_scope");
    }
    let restored = app.refresh(&second.refresh).await;
    assert_eq!(restored.assert_ok()["scope"], "documents:read documents:write", "a refused request costs nothing");
}

#[tokio::test]
async fn rf_02_a_session_keeps_the_scope_of_its_login_however_much_the_client_may_have() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let small = app.clone().scope("documents:read").open_session("ada", PASSWORD).await;

    app.clone().scope("documents:read documents:write").refresh(&small.refresh).await.assert_oauth_error(400, "invalid_scope");

    assert_eq!(app.refresh(&small.refresh).await.assert_ok()["scope"], "documents:read");
}

/// A.RR-07
#[tokio::test]
async fn rf_06_the_resource_of_the_login_can_be_named_and_no_other() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let (resource, issuer) = (stack.resource().id(), stack.auth().issuer());
    let tokens = app.open_session("ada", PASSWORD).await;

    for others in [vec![issuer], vec!["https://other.example"], vec![resource, issuer], vec!["nonsense"]] {
        let asking = others.iter().fold(app.clone(), |app, other| app.resource(other));
        asking.refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_target");
    }
    let next = app.clone().resource(resource).next_tokens(&tokens.refresh).await;
    assert_eq!(Token::read(&next.access).claims["aud"], resource);
}
