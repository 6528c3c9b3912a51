//! Whoever knows the password of an account is kept out by nobody who guesses at it.

use tests::PASSWORD;

use super::{ELSEWHERE, HOME, assert_throttled, counting_stack, from, guess, lanes, set};

/// A.RL-02.
#[tokio::test]
async fn a_rl_02_fifty_right_passwords_at_once_are_fifty_logins() {
    let stack = counting_stack().await;

    let logins: Vec<_> = (0..50)
        .map(|_| {
            let call = from(ELSEWHERE, stack.client().password_request("ada", PASSWORD));
            tokio::spawn(async move { call.send().await })
        })
        .collect();
    let mut granted = 0;
    for login in logins {
        let answer = login.await.expect("it is answered");
        assert!(matches!(answer.status(), 200 | 503), "{answer}");
        granted += usize::from(answer.status() == 200);
    }

    assert!(granted > 0);
    guess(&stack.client(), ELSEWHERE, "ada", PASSWORD).await.assert_tokens();
    for kind in ["account", "source"] {
        assert!(lanes(&stack, kind).await.is_empty(), "nothing is held against anybody");
    }
}

/// A.RL-04.
#[tokio::test]
async fn a_rl_04_a_stranger_cannot_lock_an_owner_out() {
    let stack = counting_stack().await;
    let client = stack.client();
    guess(&client, HOME, "ada", PASSWORD).await.assert_tokens();
    for number in 0..60 {
        let answer = guess(&client, &format!("203.0.113.{number}"), "ada", "wrong").await;
        assert!(matches!(answer.status(), 400 | 429), "{answer}");
    }
    set(&stack, "account", 100).await;

    assert!(assert_throttled(&guess(&client, ELSEWHERE, "ada", PASSWORD).await) > 80_000);
    guess(&client, HOME, "ada", PASSWORD).await.assert_tokens();
    guess(&client, HOME, "ada", "a slip of the owner").await.assert_oauth_error(400, "invalid_grant");

    // The owner's own lane has the same steps and the same cap, and is theirs at this client and network only.
    set(&stack, "familiar", 100).await;
    assert!(assert_throttled(&guess(&client, HOME, "ada", PASSWORD).await) > 80_000);
    set(&stack, "account", 0).await;
    guess(&client, "198.51.100.8", "ada", PASSWORD).await.assert_tokens();
}

#[tokio::test]
async fn a_network_is_familiar_to_an_account_at_a_client_for_thirty_days() {
    let stack = counting_stack().await;
    let app = stack.app("app").await;
    let client = stack.client();
    guess(&client, HOME, "ada", PASSWORD).await.assert_tokens();
    guess(&client, ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    set(&stack, "account", 100).await;

    assert_throttled(&guess(&app, HOME, "ada", PASSWORD).await);
    guess(&client, HOME, "ada", PASSWORD).await.assert_tokens();
    let month = 30_i64 * 24 * 3600 * 1000;
    let aged = "UPDATE login_attempt SET succeeded_at = succeeded_at - $1 WHERE kind = 'familiar'";
    stack.auth_home().database().run(aged, [month.into()]).await;
    assert_throttled(&guess(&client, HOME, "ada", PASSWORD).await);
}

#[tokio::test]
async fn an_operator_forgives_the_guesses_of_strangers() {
    let stack = counting_stack().await;
    guess(&stack.client(), ELSEWHERE, "Ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    set(&stack, "account", 100).await;
    assert_throttled(&guess(&stack.client(), ELSEWHERE, "ada", PASSWORD).await);

    stack.operator().unlock_user("ada").await.expect("there is something to forgive");

    guess(&stack.client(), ELSEWHERE, "ada", PASSWORD).await.assert_tokens();
    stack.operator().unlock_user("ada").await.expect_err("there is nothing any more");
    stack.operator().unlock_user("nobody").await.expect_err("there is no such user");
    stack.auth_home().database().row("SELECT id FROM audit_event WHERE action = 'user.unlock'").await;
}
