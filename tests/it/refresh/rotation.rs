//! A refresh token is exchanged for the next pair, and whatever is wrong with one is answered alike.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tests::{PASSWORD, Stack, Tokens, jwt::Token};

use super::assert_refused;

#[tokio::test]
async fn rf_01_a_refresh_gives_the_next_pair_for_the_same_person() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let first = app.open_session("ada", PASSWORD).await;

    let answer = app.refresh(&first.refresh).await;

    let second = Tokens::of(&answer);
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert_eq!(answer.json()["scope"], "documents:read documents:write");
    let (before, after) = (Token::read(&first.access), Token::read(&second.access));
    for claim in ["iss", "sub", "aud", "client_id", "scope", "roles", "auth_time", "amr"] {
        assert_eq!(after.claims[claim], before.claims[claim], "{claim}");
    }
    assert_ne!(after.claims["jti"], before.claims["jti"]);
    stack.present(&second.access).await.assert_ok();
}

#[tokio::test]
async fn rf_01_whatever_is_wrong_with_a_token_is_answered_alike() {
    let stack = Stack::with_ada("editor").await;
    let (app, other) = (stack.app("app").await, stack.app("other").await);
    let unknown = format!("rt_{}", BASE64_URL_SAFE_NO_PAD.encode([7; 32]));
    let of_another = other.open_session("ada", PASSWORD).await.refresh;
    let revoked = app.open_session("ada", PASSWORD).await.refresh;
    app.revoke(&revoked).await.assert_status(200);

    let reference = app.refresh(&unknown).await;

    assert_refused(&reference);
    for token in [&revoked, &of_another, "rt_", "nonsense", "a.b.c"] {
        let answer = app.refresh(token).await;
        assert_refused(&answer);
        assert_eq!(answer.body(), reference.body(), "{token}");
    }
    let missing = app.request(&[("grant_type", "refresh_token")]).send().await;
    missing.assert_oauth_error(400, "invalid_request");
    let empty = app.refresh("").await;
    empty.assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn while_the_database_fails_a_refresh_is_put_off_and_never_refused() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let database = stack.auth_home().database();

    database.run("ALTER TABLE refresh_token RENAME TO refresh_token_away", []).await;
    let answer = client.refresh(&tokens.refresh).await;
    database.run("ALTER TABLE refresh_token_away RENAME TO refresh_token", []).await;

    answer.assert_oauth_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    client.next_tokens(&tokens.refresh).await;
}
