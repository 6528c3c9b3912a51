//! A session ends when it lies unused, and in the end however busy it is.

use std::time::Duration;

use auth_service::ClientKind;
use tests::{PASSWORD, Stack, Tokens};
use tokio::time::sleep;

use super::assert_refused;

#[tokio::test]
async fn a_rr_14_a_token_that_lies_unused_ends() {
    let stack = Stack::builder().auth(|config| config.refresh_idle_lifetime = Duration::from_secs(1)).with_ada("reader").await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;

    sleep(Duration::from_secs(2)).await;

    assert_refused(&stack.client().refresh(&tokens.refresh).await);
    stack.present(&tokens.access).await.assert_ok();
}

#[tokio::test]
async fn a_rr_14_a_session_ends_however_busy_it_is() {
    let stack =
        Stack::builder().auth(|config| config.refresh_absolute_lifetime = Duration::from_secs(2)).with_ada("reader").await;
    let mut tokens = stack.client().open_session("ada", PASSWORD).await;

    // Far more often than it takes, so that it ends although it was never idle.
    for _ in 0..100 {
        let answer = stack.client().refresh(&tokens.refresh).await;
        if answer.status() != 200 {
            return assert_refused(&answer);
        }
        tokens = Tokens::of(&answer);
        sleep(Duration::from_millis(100)).await;
    }
    panic!("the session goes on for ever");
}

#[tokio::test]
async fn a_rr_14_the_lifetimes_of_a_client_go_before_those_of_the_service() {
    let stack = Stack::with_ada("editor").await;
    let mut new = stack.new_client("brief", ClientKind::Public, &["password", "refresh_token"], "documents:read");
    new.refresh_idle_lifetime = Some(Duration::from_secs(1));
    new.access_token_lifetime = Some(Duration::from_mins(1));
    let brief = stack.auth().register(new).await;

    let answer = brief.password("ada", PASSWORD).await;
    assert_eq!(answer.assert_ok()["expires_in"], 60);
    sleep(Duration::from_secs(2)).await;

    assert_refused(&brief.refresh(&Tokens::of(&answer).refresh).await);
}
