//! A refresh token that comes again: an answer was lost, or the token was stolen.

use std::{collections::HashSet, time::Duration};

use tests::{PASSWORD, Stack, Tokens};
use tokio::time::sleep;

use super::{assert_refused, ends};

/// A stack with Ada, a short grace for lost answers and status lists that are asked for often.
async fn stack_with_grace(grace: Duration) -> Stack {
    Stack::builder().auth(move |config| config.refresh_grace = grace).prompt().with_ada("editor").await
}

#[tokio::test]
async fn rf_03_a_rr_01_a_replay_after_its_successor_was_used_ends_the_family() {
    let stack = stack_with_grace(Duration::from_secs(10)).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let third = client.next_tokens(&second.refresh).await;
    let bystander = client.open_session("ada", PASSWORD).await;
    stack.present(&third.access).await.assert_ok();

    assert_refused(&client.refresh(&first.refresh).await);

    for token in [&third, &second, &first] {
        assert_refused(&client.refresh(&token.refresh).await);
    }
    assert_eq!(ends(&stack).await, ["reused"]);
    for token in [&third, &second, &first] {
        stack.await_refusal(&token.access).await;
    }
    stack.present(&bystander.access).await.assert_ok();
    client.next_tokens(&bystander.refresh).await;
}

#[tokio::test]
async fn rf_04_a_rr_05_a_lost_answer_is_given_again() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let lost = client.next_tokens(&first.refresh).await;

    let again = client.next_tokens(&first.refresh).await;
    let once_more = client.next_tokens(&first.refresh).await;

    assert_eq!([&again.refresh, &once_more.refresh], [&lost.refresh; 2], "the same successor");
    let access: HashSet<_> = [&lost.access, &again.access, &once_more.access].into_iter().collect();
    assert_eq!(access.len(), 3, "each time a fresh access token");
    for token in access {
        stack.present(token).await.assert_ok();
    }
    let next = client.next_tokens(&lost.refresh).await;
    client.next_tokens(&next.refresh).await;
    assert!(ends(&stack).await.is_empty());
}

#[tokio::test]
async fn rf_04_a_rr_05_what_is_asked_again_can_be_asked_otherwise() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let first = app.open_session("ada", PASSWORD).await;
    let lost = app.next_tokens(&first.refresh).await;

    let narrowed = app.clone().scope("documents:read").refresh(&first.refresh).await;

    assert_eq!(Tokens::of(&narrowed).refresh, lost.refresh);
    assert_eq!(narrowed.json()["scope"], "documents:read");
    app.clone().scope("account").refresh(&first.refresh).await.assert_oauth_error(400, "invalid_scope");
}

#[tokio::test]
async fn rf_04_every_access_token_of_a_repeated_refresh_ends_with_the_session() {
    let stack = stack_with_grace(Duration::from_secs(10)).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let again = client.next_tokens(&first.refresh).await;
    stack.present(&again.access).await.assert_ok();

    client.revoke(&second.refresh).await.assert_status(200);

    for token in [&first.access, &second.access, &again.access] {
        stack.await_refusal(token).await;
    }
}

/// A.RR-01
#[tokio::test]
async fn rf_04_after_the_grace_a_repeat_is_a_replay() {
    let stack = stack_with_grace(Duration::from_secs(1)).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    sleep(Duration::from_secs(2)).await;

    assert_refused(&client.refresh(&first.refresh).await);

    assert_refused(&client.refresh(&second.refresh).await);
    assert_eq!(ends(&stack).await, ["reused"]);
}

/// A.RR-01
#[tokio::test]
async fn rf_04_without_a_grace_every_repeat_is_a_replay() {
    let stack = stack_with_grace(Duration::ZERO).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let third = client.next_tokens(&second.refresh).await;

    assert_refused(&client.refresh(&second.refresh).await);

    assert_refused(&client.refresh(&third.refresh).await);
    assert_eq!(ends(&stack).await, ["reused"]);
}
