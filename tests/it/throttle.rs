//! Whoever guesses is slowed down, by account and by network, and cannot lock anybody out (SECURITY A.RL, TE-12).
//!
//! Where a test is about a wait of hours it moves the counters, not the clock: they are in the database.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use auth_service::{ClientKind, NewClient};
use sea_orm::QueryResult;
use serde_json::json;
use tests::{Answer, AuthHome, Call, Http, OAuthClient, PASSWORD, Stack, Tokens, rows};

pub(super) const HOME: &str = "198.51.100.7";
pub(super) const ELSEWHERE: &str = "203.0.113.9";

/// A stack that counts guesses, behind a proxy which says where requests come from.
pub(super) async fn counting_stack() -> Stack {
    let stack = Stack::builder().auth(counting).start().await;
    for username in ["ada", "rob"] {
        stack.user(username, &["editor"]).await;
    }
    stack
}

pub(super) fn counting(config: &mut auth_service::Config) {
    config.login_throttle = true;
    config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
}

pub(super) fn from(source: &str, call: Call) -> Call {
    call.header("x-forwarded-for", source)
}

async fn guess(client: &OAuthClient, source: &str, username: &str, password: &str) -> Answer {
    from(source, client.password_request(username, password)).send().await
}

/// Makes it so many failures, the last of them just now.
pub(super) async fn set(stack: &Stack, kind: &str, failures: i32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_millis();
    let now = i64::try_from(now).expect("it is not that much later");
    let sql = "UPDATE login_attempt SET failures = $1, since = $2, failed_at = $2 WHERE kind = $3";
    stack.auth_home().database().run(sql, [failures.into(), now.into(), kind.into()]).await;
}

pub(super) async fn lanes(stack: &Stack, kind: &str) -> Vec<QueryResult> {
    stack.auth_home().database().rows(&format!("SELECT * FROM login_attempt WHERE kind = '{kind}'")).await
}

fn failures(lane: &QueryResult) -> i32 {
    lane.try_get("", "failures").expect("a number")
}

/// Expects that a guess was not looked at, and returns how many seconds to wait.
#[track_caller]
pub(super) fn assert_throttled(answer: &Answer) -> u64 {
    answer.assert_oauth_error(429, "temporarily_unavailable").assert_never_stored();
    answer.assert_hardened();
    answer.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap_or_else(|| panic!("no Retry-After:\n{answer}"))
}

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

/// A.RL-12.
#[tokio::test]
async fn a_rl_12_a_restart_opens_nothing() {
    let home = AuthHome::new().await;
    let auth = home.start(counting).await.expect("it starts");
    auth.user("ada", &["reader"]).await;
    guess(&auth.client(), ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    home.database().run("UPDATE login_attempt SET failures = 100 WHERE kind = 'account'", []).await;
    let issuer = auth.issuer().to_owned();
    // Not stopped in good order: dropped, as by a crash.
    drop(auth);

    let auth = home
        .start(|config| {
            counting(config);
            config.issuer = Some(issuer);
        })
        .await
        .expect("it starts");

    assert_throttled(&guess(&auth.client(), ELSEWHERE, "ada", PASSWORD).await);
    guess(&auth.client(), ELSEWHERE, "admin", tests::ADMIN_PASSWORD).await.assert_tokens();
}

/// A.RL-12.
#[tokio::test]
async fn a_rl_12_replicas_count_together() {
    let home = AuthHome::new().await;
    let named = |config: &mut auth_service::Config| {
        counting(config);
        config.issuer = Some("http://localhost:8080".to_owned());
    };
    let (one, other) = (home.start(named).await.expect("it starts"), home.start(named).await.expect("it starts beside it"));
    one.user("ada", &["reader"]).await;
    guess(&one.client(), ELSEWHERE, "ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    home.database().run("UPDATE login_attempt SET failures = 30 WHERE kind = 'account'", []).await;

    assert_throttled(&guess(&other.client(), ELSEWHERE, "ada", PASSWORD).await);
}

#[tokio::test]
async fn te_12_a_ca_08_wrong_secrets_of_a_client_are_counted_by_network() {
    let stack = counting_stack().await;
    let new = stack.new_client("batch", ClientKind::Confidential, &["client_credentials"], "documents:read");
    let batch = stack.auth().register(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    let wrong = stack.client().basic("batch", "cs_wrong");
    let ask = |client: &OAuthClient, source: &str| from(source, client.request(&[("grant_type", "client_credentials")])).send();

    let mut looked_at = 0;
    let stopped = loop {
        let answer = ask(&wrong, ELSEWHERE).await;
        if answer.status() == 429 || looked_at > 40 {
            break answer;
        }
        answer.assert_invalid_client();
        looked_at += 1;
    };

    assert!((20..=30).contains(&looked_at), "twenty a minute: {looked_at}");
    assert!((1..=3).contains(&assert_throttled(&stopped)), "{stopped}");
    set(&stack, "secret", 200).await;
    assert_throttled(&ask(&batch, ELSEWHERE).await);
    ask(&batch, HOME).await.assert_tokens();
    assert_throttled(&from(ELSEWHERE, wrong.request_at("/oauth2/introspect", &[("token", "x")])).send().await);
    assert_throttled(&from(ELSEWHERE, wrong.request_at("/oauth2/revoke", &[("token", "x")])).send().await);
}

#[tokio::test]
async fn a_public_client_cannot_be_closed_by_secrets_that_others_send_for_it() {
    let stack = counting_stack().await;
    let wrong = stack.client().in_body("first-party", "cs_wrong");
    guess(&wrong, HOME, "ada", PASSWORD).await.assert_invalid_client();
    set(&stack, "secret", 200).await;

    assert_throttled(&guess(&wrong, HOME, "ada", PASSWORD).await);
    guess(&stack.client(), HOME, "ada", PASSWORD).await.assert_tokens();
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

/// A.RL-05: the alarm that moves.
#[tokio::test]
async fn a_rl_05_how_many_guesses_were_turned_away_is_a_metric() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port is free");
    let home = AuthHome::new().await;
    let auth = home
        .start(|config| {
            counting(config);
            config.metrics_listen = Some(free);
        })
        .await
        .expect("it starts");
    let count = async || {
        let text = Http::at(format!("http://{free}")).get("/metrics").send().await.text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("guesses_throttled_total ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no such metric:\n{text}")).parse::<u64>().expect("a number")
    };
    assert_eq!(count().await, 0);
    guess(&auth.client(), ELSEWHERE, "nobody", "wrong").await.assert_oauth_error(400, "invalid_grant");
    home.database().run("UPDATE login_attempt SET failures = 100 WHERE kind = 'account'", []).await;

    assert_throttled(&guess(&auth.client(), ELSEWHERE, "nobody", "wrong").await);

    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn what_does_not_count_any_more_is_forgotten() {
    let home = AuthHome::new().await;
    let named = |config: &mut auth_service::Config| {
        counting(config);
        config.issuer = Some("http://localhost:8080".to_owned());
    };
    let auth = home.start(named).await.expect("it starts");
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

    // A start begins with what is done from time to time.
    let _auth = home.start(named).await.expect("it starts");
    while (lanes().await, guessed().await) != (1, 0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn switched_off_nothing_is_counted() {
    let stack = Stack::start().await;
    stack.user("ada", &["reader"]).await;

    for _ in 0..25 {
        stack.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
        stack.client().basic("ada", "cs_wrong").password("ada", PASSWORD).await.assert_invalid_client();
    }

    assert!(stack.auth_home().database().rows("SELECT key FROM login_attempt").await.is_empty());
    stack.client().log_in("ada", PASSWORD).await;
}
