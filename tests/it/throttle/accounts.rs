//! Guesses at an account are counted, whether there is one of that name or not, and whichever way they come.

use serde_json::json;
use tests::{PASSWORD, Stack, Tokens, rows};

use super::{ELSEWHERE, HOME, assert_throttled, counting_stack, failures, from, guess, lanes, set};

#[tokio::test]
async fn te_12_after_wrong_passwords_the_next_must_wait() {
    let stack = counting_stack().await;
    let client = stack.client();
    guess(&client, ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    set(&stack, "account", 30).await;

    for password in ["wrong", PASSWORD] {
        let wait = assert_throttled(&guess(&client, ELSEWHERE, "ada", password).await);
        assert!((1..=10).contains(&wait), "{wait}");
    }

    guess(&client, ELSEWHERE, "rob", PASSWORD).await.assert_tokens();
    let events = stack.auth_home().database().rows("SELECT subject FROM audit_event WHERE outcome = 'throttled'").await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.try_get::<String>("", "subject").is_ok()), "it says at whom");
}

/// A.RL-11.
#[tokio::test]
async fn a_rl_11_a_name_that_does_not_exist_is_counted_and_answered_like_one_that_does() {
    let stack = counting_stack().await;
    let client = stack.client();
    let names = ["ada", "nobody", "no such name!", "NOBODY"];
    for name in &names[..3] {
        guess(&client, ELSEWHERE, name, "wrong").await.assert_oauth_error(400, "invalid_grant");
    }
    assert_eq!(lanes(&stack, "account").await.len(), 3);
    let soon = "UPDATE login_attempt SET failures = 100 WHERE kind = 'account'";
    stack.auth_home().database().run(soon, []).await;

    let reference = guess(&client, ELSEWHERE, "ada", PASSWORD).await;
    assert!(assert_throttled(&reference) > 80_000, "closed for a day:\n{reference}");

    for name in names {
        let answer = guess(&client, ELSEWHERE, name, PASSWORD).await;
        assert!(assert_throttled(&answer) > 80_000);
        assert_eq!(answer.text(), reference.text());
        assert_eq!(answer.headers().len(), reference.headers().len());
        assert!(!answer.text().contains("lock"), "{answer}");
    }
}

#[tokio::test]
async fn however_many_guesses_come_at_once_a_hundred_are_looked_at() {
    let stack = counting_stack().await;
    guess(&stack.client(), ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    stack.auth_home().database().run("UPDATE login_attempt SET failures = 95, failed_at = 0 WHERE kind = 'account'", []).await;

    let guesses: Vec<_> = (0..40)
        .map(|number| {
            let call = from(&format!("203.0.113.{}", 100 + number), stack.client().password_request("ada", "wrong"));
            tokio::spawn(async move { call.send().await.status() })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        let status = guess.await.expect("it is answered");
        assert!(matches!(status, 400 | 429 | 503), "{status}");
        looked_at += usize::from(status == 400);
    }

    assert!((1..=5).contains(&looked_at), "{looked_at}");
    assert!(failures(&lanes(&stack, "account").await[0]) <= 100);
}

/// A.RL-09, A.UM-06.
#[tokio::test]
async fn a_rl_09_there_is_one_count_for_every_way_to_show_a_password() {
    let stack = counting_stack().await;
    let client = stack.client().scope("account");
    let session = Tokens::of(&guess(&client, HOME, "ada", PASSWORD).await);
    let http = stack.auth().http();
    let change = |current: &str| {
        let body = json!({"current_password": current, "new_password": "another phrase that nobody guesses"});
        from(HOME, http.put("/account/password").bearer(&session.access).json(&body)).send()
    };

    change("wrong").await.assert_problem(403);
    assert_eq!(failures(&lanes(&stack, "familiar").await[0]), 1, "a wrong current password counts");
    set(&stack, "familiar", 100).await;

    let throttled = change(PASSWORD).await;
    throttled.assert_problem(429);
    assert!(throttled.header("retry-after").is_some(), "{throttled}");
    assert_throttled(&guess(&client, HOME, "ada", PASSWORD).await);
    from(HOME, http.get("/account").bearer(&session.access)).send().await.assert_ok();
    client.next_tokens(&session.refresh).await;
}

/// A.RL-09.
#[tokio::test]
async fn a_rl_09_a_password_that_must_be_changed_is_counted_with_the_others() {
    let stack = counting_stack().await;
    rows::demand_new_password(stack.auth_home().database(), "ada").await;
    guess(&stack.client(), ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    set(&stack, "account", 100).await;
    let body = json!({"username": "ada", "current_password": PASSWORD, "new_password": "another phrase that nobody guesses"});

    let answer = from(ELSEWHERE, stack.auth().http().post("/account/password").json(&body)).send().await;

    answer.assert_problem(429);
    assert!(answer.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 80_000)), "{answer}");
}

/// A.RL-10.
#[tokio::test]
async fn a_rl_10_an_attackers_own_login_takes_nothing_back() {
    let stack = counting_stack().await;
    let client = stack.client();
    for _ in 0..3 {
        stack.auth_home().database().run("UPDATE login_attempt SET failed_at = 0", []).await;
        guess(&client, ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
        guess(&client, ELSEWHERE, "rob", PASSWORD).await.assert_tokens();
    }

    set(&stack, "source", 9).await;
    guess(&client, ELSEWHERE, "rob", PASSWORD).await.assert_tokens();

    assert_eq!(lanes(&stack, "account").await.iter().map(failures).collect::<Vec<_>>(), [3], "the victim's");
    let source: i32 = lanes(&stack, "source").await.iter().map(failures).sum();
    assert!((7..=9).contains(&source), "{source}: one less every six seconds, and not otherwise");
}

#[tokio::test]
async fn switched_off_nothing_is_counted() {
    let stack = Stack::with_ada("reader").await;

    for _ in 0..25 {
        stack.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
        stack.client().basic("ada", "cs_wrong").password("ada", PASSWORD).await.assert_invalid_client();
    }

    assert!(stack.auth_home().database().rows("SELECT key FROM login_attempt").await.is_empty());
    stack.client().log_in("ada", PASSWORD).await;
}
