//! A key that fell into the wrong hands is revoked, and nobody is logged out.

use tests::{PASSWORD, Stack};

use super::{await_listed, await_other_key, key_of, listed, plan, states};

#[tokio::test]
async fn a_jk_08_what_a_revoked_key_signed_is_worth_nothing_and_nobody_is_logged_out() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let account = client.clone().scope("account").log_in("ada", PASSWORD).await;
    let revoked = key_of(&tokens.access);
    stack.present(&tokens.access).await.assert_ok();

    stack.operator().revoke_key(&revoked).await.expect("there is such a key");

    let fresh = await_other_key(&client, &revoked).await;
    assert!(!listed(stack.auth()).await.contains(&revoked));
    stack.auth().http().get("/account").bearer(&account).send().await.assert_invalid_token();
    // The first token by the new key makes resource-service ask for the keys at once.
    stack.present(&fresh).await.assert_ok();
    stack.present(&tokens.access).await.assert_invalid_token();
    let next = client.next_tokens(&tokens.refresh).await;
    stack.present(&next.access).await.assert_ok();
    let private = "SELECT id FROM signing_key WHERE revoked_at IS NOT NULL AND sealed IS NOT NULL";
    assert!(stack.auth_home().database().rows(private).await.is_empty(), "its private half is gone");
    stack.operator().revoke_key(&revoked).await.expect_err("it was revoked before");
    stack.operator().revoke_key("unheard-of").await.expect_err("there is none");
}

#[tokio::test]
async fn a_jk_08_a_revoked_key_that_had_a_successor_hands_over_to_it() {
    let stack = Stack::with_ada("editor").await;
    let first = key_of(&stack.client().log_in("ada", PASSWORD).await);
    stack.operator().rotate_key(false).await.expect("nothing is announced yet");
    let announced = await_listed(stack.auth(), 2).await;

    stack.operator().revoke_key(&first).await.expect("there is such a key");

    let token = await_other_key(&stack.client(), &first).await;
    assert!(announced.contains(&key_of(&token)));
    stack.present(&token).await.assert_ok();
    assert_eq!(states(stack.auth()).await, ["revoked", "active"]);
}

#[tokio::test]
async fn a_jk_08_a_key_that_was_revoked_before_it_signed_never_does() {
    let stack = Stack::with_ada("editor").await;
    let first = key_of(&stack.client().log_in("ada", PASSWORD).await);
    stack.operator().rotate_key(false).await.expect("nothing is announced yet");
    let announced = plan(stack.auth()).await.pop().expect("the newest").id;

    stack.operator().revoke_key(&announced).await.expect("there is such a key");
    assert_eq!(states(stack.auth()).await, ["active", "revoked", "announced"]);
    stack.operator().rotate_key(true).await.expect("its replacement can be brought forward");

    let token = await_other_key(&stack.client(), &first).await;
    assert_ne!(key_of(&token), announced);
    stack.present(&token).await.assert_ok();
}
