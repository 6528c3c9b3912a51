//! Whoever guesses at the secret of a key is slowed down, and can close it to nobody who knows it (SECURITY A.AK-05).

use shared::access_token::ApiKey;
use tests::{Answer, AuthHome, Http, Stack, free_address};

use super::id_of;
use crate::throttle::{ELSEWHERE, HOME, assert_throttled, counting_by_name, counting_stack, from, lanes, set};

/// The identifier of a key that there is not.
const UNKNOWN: &str = "ask_00000000000000000000000000000000";

async fn show(stack: &Stack, source: &str, key: &str) -> Answer {
    from(source, stack.client().unnamed().exchange_request(key)).send().await
}

/// A key of this identifier that was made up.
fn made_up(id: &str, number: u8) -> String {
    ApiKey::compose(id, &[number; 32])
}

#[tokio::test]
async fn a_good_key_is_exchanged_and_nothing_is_held_against_anybody() {
    let stack = counting_stack().await;
    let key = stack.api_key("ada", "documents:read").await;

    for _ in 0..25 {
        show(&stack, ELSEWHERE, &key).await.assert_tokens();
    }

    assert!(lanes(&stack, "secret").await.is_empty());
}

/// A.AK-05: at the issuer.
#[tokio::test]
async fn a_ak_05_wrong_secrets_of_a_key_are_counted_by_network_and_the_right_one_passes() {
    let stack = counting_stack().await;
    let key = stack.api_key("ada", "documents:read").await;
    let other = stack.api_key("rob", "documents:read").await;
    let id = id_of(&key);

    let mut looked_at = 0;
    let stopped = loop {
        let answer = show(&stack, ELSEWHERE, &made_up(id, looked_at)).await;
        if answer.status() == 429 || looked_at > 40 {
            break answer;
        }
        answer.assert_oauth_error(400, "invalid_request");
        looked_at += 1;
    };

    assert!((20..=30).contains(&looked_at), "twenty a minute: {looked_at}");
    assert!((1..=3).contains(&assert_throttled(&stopped)), "{stopped}");
    set(&stack, "secret", 200).await;
    assert_throttled(&show(&stack, ELSEWHERE, &made_up(id, 99)).await);
    show(&stack, ELSEWHERE, &key).await.assert_tokens();
    // It is this key's lane, and this network's.
    show(&stack, HOME, &made_up(id, 99)).await.assert_oauth_error(400, "invalid_request");
    show(&stack, ELSEWHERE, &made_up(id_of(&other), 99)).await.assert_oauth_error(400, "invalid_request");
    show(&stack, ELSEWHERE, &other).await.assert_tokens();
    // What was not looked at is recorded, and of which key.
    assert_eq!(stack.recorded("api_key.exchange", "throttled", Some("throttled")).await, 2);
    let events = stack.auth_home().database().rows("SELECT detail, subject FROM audit_event WHERE outcome = 'throttled'").await;
    for event in events {
        assert_eq!(event.try_get::<String>("", "detail").expect("the key"), id);
        assert!(event.try_get::<String>("", "subject").is_ok_and(|owner| owner.starts_with("usr_")));
    }
}

/// A.AK-05: the throttle does not tell which keys there are, either.
#[tokio::test]
async fn a_ak_05_a_key_that_does_not_exist_is_counted_and_answered_like_one_that_does() {
    let stack = counting_stack().await;
    let key = stack.api_key("ada", "documents:read").await;
    let ids = [id_of(&key), UNKNOWN];
    let ask = async |number: u8| {
        [show(&stack, HOME, &made_up(ids[0], number)).await, show(&stack, HOME, &made_up(ids[1], number)).await]
    };

    let looked_at = ask(1).await;
    set(&stack, "secret", 200).await;
    let turned_away = ask(2).await;

    for [known, unknown] in [&looked_at, &turned_away] {
        assert_eq!((known.status(), known.text()), (unknown.status(), unknown.text()));
        assert_eq!(known.headers().len(), unknown.headers().len());
    }
    for answer in &turned_away {
        assert_throttled(answer);
    }
    assert_eq!(lanes(&stack, "secret").await.len(), 2, "one for each, and under no name");
    assert!(!format!("{:?}", stack.auth_home().database().dump().await["login_attempt"]).contains(UNKNOWN));
}

#[tokio::test]
async fn what_is_no_guess_is_not_counted_and_not_kept_waiting() {
    let stack = counting_stack().await;
    let key = stack.api_key("ada", "documents:read").await;
    let slip = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
    let refused = async |shown: &str| {
        show(&stack, ELSEWHERE, shown).await.assert_oauth_error(400, "invalid_request");
    };

    for shown in ["ask_", &slip, &format!("{}_", id_of(&key))] {
        refused(shown).await;
    }
    assert!(lanes(&stack, "secret").await.is_empty());

    refused(&made_up(id_of(&key), 1)).await;
    set(&stack, "secret", 200).await;
    refused(&slip).await;
    // Who knows the secret of a key that has ended does not guess, and hears what everybody hears.
    stack.operator().revoke_api_key(id_of(&key)).await.expect("there is such a key");
    refused(&key).await;
    assert_throttled(&show(&stack, ELSEWHERE, &made_up(id_of(&key), 2)).await);
}

/// A.RL-12, and the metric that counts what was turned away.
#[tokio::test]
async fn a_rl_12_a_restart_opens_no_key_to_guesses() {
    let free = free_address();
    let home = AuthHome::new().await;
    let auth = home.start(counting_by_name).await.expect("it starts");
    let guess = async |client: tests::OAuthClient, number| {
        from(ELSEWHERE, client.unnamed().exchange_request(&made_up(UNKNOWN, number))).send().await
    };
    guess(auth.client(), 1).await.assert_oauth_error(400, "invalid_request");
    home.database().run("UPDATE login_attempt SET failures = 200 WHERE kind = 'secret'", []).await;
    // Not stopped in good order: dropped, as by a crash.
    drop(auth);

    let watched = |config: &mut auth_service::Config| {
        counting_by_name(config);
        config.metrics_listen = Some(free);
    };
    let auth = home.start(watched).await.expect("it starts");

    assert_throttled(&guess(auth.client(), 2).await);
    let metrics = Http::at(format!("http://{free}")).get("/metrics").send().await;
    assert!(metrics.text().lines().any(|line| line == "guesses_throttled_total 1"), "{metrics}");
}

/// A.AK-05: an API asks for all its callers, and one who guesses keeps nobody else out.
#[tokio::test]
async fn a_ak_05_guesses_at_a_key_through_an_api_close_it_to_nobody_who_knows_it() {
    let stack = counting_stack().await;
    let key = stack.api_key("ada", "documents:read").await;
    let other = stack.api_key("rob", "documents:read").await;

    let mut refused = 0;
    let throttled = loop {
        let answer = stack.present_key(&made_up(id_of(&key), refused)).await;
        if answer.status() == 503 || refused > 40 {
            break answer;
        }
        answer.assert_invalid_token();
        refused += 1;
    };

    assert!((20..=30).contains(&refused), "{refused}");
    throttled.assert_problem(503);
    assert!(throttled.header("retry-after").is_some(), "{throttled}");
    // At once, and though the API has met neither before.
    stack.present_key(&key).await.assert_ok();
    stack.present_key(&other).await.assert_ok();
}
