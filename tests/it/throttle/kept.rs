//! What is kept of guesses: by all replicas together, through a restart, without a name, and no longer than it counts.

use tests::{AuthHome, PASSWORD, rows, until};

use super::{ELSEWHERE, HOME, assert_throttled, counting_by_name, counting_stack, guess};

/// A.RL-08.
#[tokio::test]
async fn a_rl_08_names_are_not_kept_and_guesses_that_are_not_looked_at_leave_nothing() {
    let stack = counting_stack().await;
    let client = stack.client();
    guess(&client, ELSEWHERE, "a-name-to-be-seen", "wrong").await.assert_oauth_error(400, "invalid_grant");
    let dump = stack.auth_home().database().dump().await;
    for table in ["login_attempt", "guessed_name"] {
        let text = format!("{:?}", dump[table]);
        assert!(!dump[table].is_empty() && !text.contains("a-name") && !text.contains(ELSEWHERE), "{table}: {text}");
    }
    stack.auth_home().database().run("UPDATE login_attempt SET closed_until = since + 3600000 WHERE kind = 'source'", []).await;

    for number in 0..50 {
        assert_throttled(&guess(&client, ELSEWHERE, &format!("person{number}"), "wrong").await);
    }

    stack.auth_home().database().run("UPDATE login_attempt SET closed_until = since + 3600000", []).await;
    assert_throttled(&guess(&client, HOME, "a-name-to-be-seen", "wrong").await);

    let after = stack.auth_home().database().dump().await;
    for table in ["login_attempt", "guessed_name"] {
        assert_eq!(after[table].len(), dump[table].len(), "{table}");
    }
}

/// A.RL-12.
#[tokio::test]
async fn a_rl_12_a_restart_opens_nothing() {
    let home = AuthHome::new().await;
    let auth = home.start(counting_by_name).await.expect("it starts");
    auth.user("ada", &["reader"]).await;
    guess(&auth.client(), ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    home.database().run("UPDATE login_attempt SET failures = 100 WHERE kind = 'account'", []).await;
    // Not stopped in good order: dropped, as by a crash.
    drop(auth);

    let auth = home.start(counting_by_name).await.expect("it starts");

    assert_throttled(&guess(&auth.client(), ELSEWHERE, "ada", PASSWORD).await);
    guess(&auth.client(), ELSEWHERE, "admin", tests::ADMIN_PASSWORD).await.assert_tokens();
}

/// A.RL-12.
#[tokio::test]
async fn a_rl_12_replicas_count_together() {
    let home = AuthHome::new().await;
    let one = home.start(counting_by_name).await.expect("it starts");
    let other = home.start(counting_by_name).await.expect("it starts beside it");
    one.user("ada", &["reader"]).await;
    guess(&one.client(), ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    home.database().run("UPDATE login_attempt SET failures = 30 WHERE kind = 'account'", []).await;

    assert_throttled(&guess(&other.client(), ELSEWHERE, "ada", PASSWORD).await);
}

#[tokio::test]
async fn what_does_not_count_any_more_is_forgotten() {
    let home = AuthHome::new().await;
    let auth = home.start(counting_by_name).await.expect("it starts");
    for name in ["one", "another"] {
        guess(&auth.client(), ELSEWHERE, name, "wrong").await.assert_oauth_error(400, "invalid_grant");
    }
    guess(&auth.client(), HOME, "admin", tests::ADMIN_PASSWORD).await.assert_tokens();
    auth.stop().await;
    let lanes = async || home.database().rows("SELECT key FROM login_attempt").await.len();
    let guessed = async || home.database().rows("SELECT name FROM guessed_name").await.len();
    assert_eq!((lanes().await, guessed().await), (4, 2), "a network, two names, and where the administrator is at home");
    home.database().run("UPDATE login_attempt SET expires_at = 1 WHERE kind <> 'familiar'", []).await;
    home.database().run("UPDATE guessed_name SET at = 1", []).await;
    rows::give_back_the_turn(home.database()).await;

    let _auth = home.start(counting_by_name).await.expect("it starts");

    until("they are forgotten", async || (lanes().await, guessed().await) == (1, 0)).await;
}
