//! What one replica does, all of them know within seconds.

use tests::{PASSWORD, until};

use super::Replicas;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_at_any_replica_and_ends_at_all_of_them() {
    let Some(replicas) = Replicas::start().await else { return };
    replicas.operate(&["user", "add", "ada", "--role", "reader"], PASSWORD).await;
    let mut tokens = replicas.client(0).scope("account").open_session("ada", PASSWORD).await;
    for turn in 1..7 {
        tokens = replicas.client(turn % 3).next_tokens(&tokens.refresh).await;
    }
    for number in 0..3 {
        let account = replicas.process(number).http().get("/account").bearer(&tokens.access).send().await;
        account.assert_status(200);
    }

    replicas.client(1).revoke(&tokens.refresh).await.assert_status(200);

    for number in 0..3 {
        replicas.client(number).refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
        until("the access token is refused", async || {
            replicas.process(number).http().get("/account").bearer(&tokens.access).send().await.status() == 401
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_signs_and_is_published_everywhere() {
    let Some(replicas) = Replicas::start().await else { return };
    replicas.operate(&["user", "add", "ada", "--role", "reader"], PASSWORD).await;

    replicas.operate(&["key", "rotate", "--now"], "").await;

    let newest = replicas.home.database().row("SELECT id FROM signing_key ORDER BY slot DESC LIMIT 1").await;
    let newest: String = newest.try_get("", "id").expect("a key has an identifier");
    for number in 0..3 {
        let http = replicas.process(number).http();
        until("the key is published", async || {
            http.get("/.well-known/jwks.json").send().await.assert_ok().to_string().contains(&newest)
        })
        .await;
        until("the key signs", async || {
            let token = replicas.client(number).scope("account").log_in("ada", PASSWORD).await;
            tests::jwt::Token::read(&token).header["kid"] == newest
        })
        .await;
    }
    // Each made none of its own on the way.
    assert_eq!(replicas.home.database().rows("SELECT id FROM signing_key").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_count_together_wherever_they_are_made() {
    let Some(replicas) = Replicas::start().await else { return };
    replicas.operate(&["user", "add", "ada", "--role", "reader"], PASSWORD).await;

    let mut statuses = Vec::new();
    for turn in 0..30 {
        statuses.push(replicas.client(turn % 3).password("ada", "not the password").await.status());
    }

    // Three replicas that counted alone would each have looked at the first.
    let looked_at = statuses.iter().filter(|status| **status == 400).count();
    let waiting = statuses.iter().filter(|status| **status == 429).count();
    assert!(waiting > 0 && looked_at + waiting == statuses.len(), "{statuses:?}");
    let failures = replicas.home.database().row("SELECT MAX(failures) AS failures FROM login_attempt").await;
    let failures: i32 = failures.try_get("", "failures").expect("a number");
    assert_eq!(usize::try_from(failures).expect("not negative"), looked_at, "every guess that was looked at is counted once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_is_forgotten_by_one_of_them_at_a_time() {
    let Some(replicas) = Replicas::start().await else { return };

    // Each of them looks at once when it starts, and one had the turn.
    let turn = "SELECT value FROM setting WHERE name = 'turn_purge'";
    until("somebody takes the turn", async || replicas.home.database().rows(turn).await.len() == 1).await;
    let taken: String = replicas.home.database().row(turn).await.try_get("", "value").expect("an instant");
    let restarted = replicas.programs[2].run(&["audit", "verify"], "").await;

    assert!(restarted.status.success());
    let still: String = replicas.home.database().row(turn).await.try_get("", "value").expect("an instant");
    assert_eq!(taken, still);
}
