//! Guesses from a network are counted, and the names that it tries.

use std::net::IpAddr;

use tests::PASSWORD;

use super::{ELSEWHERE, HOME, assert_throttled, counting_stack, guess, set};

/// A.RL-05.
#[tokio::test]
async fn a_rl_05_one_password_for_many_names_is_stopped_by_network() {
    let stack = counting_stack().await;
    let client = stack.client();

    let mut looked_at = 0;
    let stopped = loop {
        let answer = guess(&client, ELSEWHERE, &format!("person{looked_at}"), "Summer2026!").await;
        if answer.status() == 429 || looked_at > 20 {
            break answer;
        }
        answer.assert_oauth_error(400, "invalid_grant");
        looked_at += 1;
    };

    assert!((10..=14).contains(&looked_at), "ten at once, and one more every six seconds: {looked_at}");
    assert!(assert_throttled(&stopped) >= 1);
    guess(&client, HOME, "ada", PASSWORD).await.assert_tokens();
}

/// A.RL-05.
#[tokio::test]
async fn a_rl_05_a_network_that_tries_fifteen_names_is_closed_for_a_day() {
    let stack = counting_stack().await;
    let client = stack.client();
    guess(&client, ELSEWHERE, "rob", PASSWORD).await.assert_tokens();

    for number in 0..15 {
        set(&stack, "source", 0).await;
        guess(&client, ELSEWHERE, &format!("person{number}"), "Summer2026!").await.assert_oauth_error(400, "invalid_grant");
    }
    set(&stack, "source", 0).await;

    for name in ["ada", "person16"] {
        assert!(assert_throttled(&guess(&client, ELSEWHERE, name, PASSWORD).await) > 80_000);
    }
    guess(&client, ELSEWHERE, "rob", PASSWORD).await.assert_tokens();
    guess(&client, HOME, "ada", PASSWORD).await.assert_tokens();
}

#[tokio::test]
async fn one_name_again_and_again_is_one_name() {
    let stack = counting_stack().await;
    let client = stack.client();

    for _ in 0..16 {
        stack.auth_home().database().run("UPDATE login_attempt SET failures = 0, failed_at = 0", []).await;
        guess(&client, ELSEWHERE, "nobody", "wrong").await.assert_oauth_error(400, "invalid_grant");
    }
    set(&stack, "source", 0).await;

    guess(&client, ELSEWHERE, "ada", PASSWORD).await.assert_tokens();
}

/// A.RL-07.
#[tokio::test]
async fn a_rl_07_a_network_is_one_however_its_addresses_are_written() {
    let stack = counting_stack().await;
    let client = stack.client();

    for (failing, same, other) in [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"),
        ("203.0.113.50", "::ffff:203.0.113.50", "203.0.113.51"),
    ] {
        assert!([failing, same, other].iter().all(|address| address.parse::<IpAddr>().is_ok()));
        guess(&client, failing, "nobody", "wrong").await.assert_oauth_error(400, "invalid_grant");
        set(&stack, "source", 60).await;

        assert_throttled(&guess(&client, same, "rob", PASSWORD).await);
        guess(&client, other, "rob", PASSWORD).await.assert_tokens();
        stack.auth_home().database().run("DELETE FROM login_attempt", []).await;
    }
}
