//! A refresh token is good for the client that it was issued to, and for no other.

use auth_service::ClientKind;
use tests::{PASSWORD, Stack};

use super::assert_refused;

#[tokio::test]
async fn a_rr_06_a_token_of_another_client_is_refused_and_its_family_lives() {
    let stack = Stack::with_ada("editor").await;
    let (mine, thief) = (stack.app("mine").await, stack.app("thief").await);
    let first = mine.open_session("ada", PASSWORD).await;
    let second = mine.next_tokens(&first.refresh).await;

    for stolen in [&first.refresh, &second.refresh] {
        assert_refused(&thief.refresh(stolen).await);
        assert_refused(&stack.client().refresh(stolen).await);
    }

    mine.next_tokens(&second.refresh).await;
    let record = "SELECT subject FROM audit_event WHERE action = 'refresh' AND reason = 'other_client' AND client_id = 'thief'";
    assert_eq!(stack.auth_home().database().rows(record).await.len(), 2);
}

#[tokio::test]
async fn a_client_that_may_not_refresh_gets_no_refresh_token_and_cannot_use_one() {
    let stack = Stack::with_ada("editor").await;
    let new = stack.new_client("no-refresh", ClientKind::Confidential, &["password"], "documents:read");
    let app = stack.auth().register(new).await;

    let answer = app.password("ada", PASSWORD).await;
    assert_eq!(answer.assert_ok().get("refresh_token"), None);

    let other = stack.client().open_session("ada", PASSWORD).await;
    app.refresh(&other.refresh).await.assert_oauth_error(400, "unauthorized_client");
}

#[tokio::test]
async fn a_confidential_client_authenticates_to_refresh() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let tokens = app.open_session("ada", PASSWORD).await;

    app.clone().public("app").refresh(&tokens.refresh).await.assert_invalid_client();
    app.clone().basic("app", "wrong").refresh(&tokens.refresh).await.assert_invalid_client();

    app.next_tokens(&tokens.refresh).await;
}
