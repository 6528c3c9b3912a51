//! One key takes over from another: announced in time, without a gap, and through a restart.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tests::{AuthHome, Http, OAuthClient, PASSWORD, Stack, until};
use tokio::{task::JoinSet, time::sleep};

use super::{KEYS, await_listed, await_other_key, key_of, listed, plan, states};

/// How long a key is announced where a test waits for it to sign.
const BRIEF: Duration = Duration::from_secs(1);

/// A.JK-07, A.JK-09
#[tokio::test]
async fn jk_03_a_key_is_announced_before_it_signs_and_listed_after_it_stopped() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let before = client.log_in("ada", PASSWORD).await;
    let first = key_of(&before);

    stack.operator().rotate_key(false).await.expect("nothing is announced yet");

    let announced = await_listed(stack.auth(), 2).await;
    assert_eq!(states(stack.auth()).await, ["active", "announced"]);
    assert_eq!(key_of(&client.log_in("ada", PASSWORD).await), first, "it does not sign before its time");
    stack.operator().rotate_key(false).await.expect_err("the next one is announced already");

    stack.operator().rotate_key(true).await.expect("it can be brought forward");

    let after = await_other_key(&client, &first).await;
    assert!(announced.contains(&key_of(&after)), "the one that was announced");
    assert_eq!(listed(stack.auth()).await, announced, "the old one stays for what it signed");
    assert_eq!(states(stack.auth()).await, ["retiring", "active"]);
    for token in [&before, &after] {
        stack.present(token).await.assert_ok();
    }
}

#[tokio::test]
async fn keys_follow_one_another_by_the_schedule() {
    let stack = Stack::builder().auth(|config| {
        config.key_announce_period = BRIEF;
        config.key_rotation_period = BRIEF * 2;
    });
    let stack = stack.with_ada("editor").await;

    let mut seen = vec![key_of(&stack.client().log_in("ada", PASSWORD).await)];
    while seen.len() < 4 {
        let token = await_other_key(&stack.client(), seen.last().expect("there is a first")).await;
        stack.present(&token).await.assert_ok();
        assert!(!seen.contains(&key_of(&token)), "no key comes back");
        seen.push(key_of(&token));
    }

    for (key, next) in plan(stack.auth()).await.iter().zip(plan(stack.auth()).await.iter().skip(1)) {
        assert_eq!(key.sign_until.as_ref(), Some(&next.sign_from), "without a gap");
        assert!(next.announced_at < next.sign_from, "announced before it signs");
        assert!(key.verify_until > key.sign_until, "listed after it stopped");
    }
}

#[tokio::test]
async fn the_private_half_of_a_key_that_stopped_signing_is_destroyed() {
    let stack = Stack::with_ada("editor").await;
    let token = stack.client().scope("account").log_in("ada", PASSWORD).await;
    stack.operator().rotate_key(true).await.expect("nobody else does");
    await_other_key(&stack.client(), &key_of(&token)).await;
    let database = stack.auth_home().database();
    // A replica whose clock is behind may sign with it for a minute more.
    database.run("UPDATE signing_key SET sign_until = sign_until - 3600 WHERE sign_until IS NOT NULL", []).await;

    let private = "SELECT id FROM signing_key WHERE sign_until IS NOT NULL AND sealed IS NOT NULL";
    until("the private half is gone", async || database.rows(private).await.is_empty()).await;

    let issuer = stack.auth().issuer().to_owned();
    let (home, _resource_home) = stack.stop().await;
    let auth = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts without that half");
    auth.http().get("/account").bearer(&token).send().await.assert_ok();
    assert_eq!(listed(&auth).await.len(), 2);
}

/// Logs in and shows the token at this address, again and again, and shows older tokens with it.
async fn steady_load(client: OAuthClient, (http, path): (Http, &str), stop: Arc<AtomicBool>) -> (usize, HashSet<String>) {
    let (mut requests, mut keys, mut kept) = (0, HashSet::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let token = client.log_in("ada", PASSWORD).await;
        if keys.insert(key_of(&token)) {
            kept.push(token.clone());
        }
        for token in kept.iter().rev().take(3).chain([&token]) {
            http.get(path).bearer(token).send().await.assert_ok();
            requests += 1;
        }
        sleep(Duration::from_millis(50)).await;
    }
    (requests, keys)
}

#[tokio::test]
async fn a_jk_07_twenty_rotations_under_load_refuse_no_valid_token() {
    let stack = Stack::builder().auth(|config| config.key_announce_period = BRIEF).with_ada("editor").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    load.spawn(steady_load(stack.client(), (stack.api().clone(), "/me"), Arc::clone(&stop)));
    let at_issuer = (stack.auth().http().clone(), "/account");
    load.spawn(steady_load(stack.client().scope("account"), at_issuer, Arc::clone(&stop)));

    let mut key = key_of(&stack.client().log_in("ada", PASSWORD).await);
    for _ in 0..20 {
        stack.operator().rotate_key(false).await.expect("the last one signs already");
        let announced = plan(stack.auth()).await.pop().expect("the newest").id;
        let token = await_other_key(&stack.client(), &key).await;
        key = key_of(&token);
        assert_eq!(key, announced);
        stack.present(&token).await.assert_ok();
    }

    stop.store(true, Ordering::Relaxed);
    for (requests, keys) in load.join_all().await {
        assert!(requests > 20 && keys.len() > 2, "{requests} requests with tokens by {} keys", keys.len());
    }
    assert_eq!(plan(stack.auth()).await.len(), 21);
}

/// A.FA-02
#[tokio::test]
async fn jk_03_a_rotation_outlives_a_restart_at_any_step() {
    let home = AuthHome::new().await;
    let issuer = "http://issuer.example";
    let start = || home.start(|config| config.issuer = Some(issuer.to_owned()));
    let auth = start().await.expect("it starts");
    auth.user("ada", &["editor"]).await;
    let token = auth.client().scope("account").log_in("ada", PASSWORD).await;

    auth.operator().rotate_key(false).await.expect("nothing is announced yet");
    // Dropped in the middle of everything, as if it had been killed.
    drop(auth);
    let auth = start().await.expect("it starts with an announced key");
    assert_eq!(states(&auth).await, ["active", "announced"]);
    auth.http().get("/account").bearer(&token).send().await.assert_ok();

    auth.operator().rotate_key(true).await.expect("it can be brought forward");
    drop(auth);
    let auth = start().await.expect("it starts with a retiring key");
    assert_eq!(states(&auth).await, ["retiring", "active"]);
    let set: Value = auth.http().get(KEYS).send().await.assert_ok();
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(2));
    auth.http().get("/account").bearer(&token).send().await.assert_ok();
    assert_ne!(key_of(&auth.client().log_in("ada", PASSWORD).await), key_of(&token));
}
