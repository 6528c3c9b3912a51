//! The life of a signing key: announced, active, retiring, gone (RFC 7517, RFC 9700 §2.6).

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_service::{Algorithm, KeyPlan};
use serde_json::Value;
use shared::access_token::MAX_KEYS;
use tests::{AuthHome, AuthServer, Http, OAuthClient, PASSWORD, PATIENCE, Stack, jwt::Token};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const KEYS: &str = "/.well-known/jwks.json";

/// How long a key is announced where a test waits for it to sign.
const BRIEF: Duration = Duration::from_secs(1);

/// The identifiers of the published keys.
async fn listed(auth: &AuthServer) -> HashSet<String> {
    let set = auth.http().get(KEYS).send().await.assert_ok();
    let keys = set["keys"].as_array().expect("a key set has keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a key has an identifier").to_owned()).collect()
}

/// The key that signed a token.
fn key_of(token: &str) -> String {
    Token::read(token).header["kid"].as_str().expect("a token names its key").to_owned()
}

/// Waits until so many keys are published.
async fn await_listed(auth: &AuthServer, count: usize) -> HashSet<String> {
    let seen = async {
        loop {
            let keys = listed(auth).await;
            if keys.len() == count {
                return keys;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("there are never {count} keys"))
}

/// Waits until a token is signed by another key than this one, and returns it.
async fn await_other_key(client: &OAuthClient, key: &str) -> String {
    let signed = async {
        loop {
            let token = client.log_in("ada", PASSWORD).await;
            if key_of(&token) != key {
                return token;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, signed).await.expect("another key signs")
}

/// Waits until a query finds nothing.
async fn await_none(home: &AuthHome, sql: &str) {
    let gone = async {
        while !home.database().rows(sql).await.is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("there is always something: {sql}"));
}

async fn plan(auth: &AuthServer) -> Vec<KeyPlan> {
    auth.operator().keys().await.expect("the keys can be read")
}

async fn states(auth: &AuthServer) -> Vec<&'static str> {
    plan(auth).await.iter().map(|key| key.state).collect()
}

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
async fn a_jk_01_every_listed_key_is_public_and_known_by_its_own_name() {
    let stack = Stack::with_ada("editor").await;
    stack.operator().rotate_key(true).await.expect("nobody else does");
    stack.operator().rotate_key(false).await.expect("nothing is announced yet");
    await_listed(stack.auth(), 3).await;

    let set = stack.auth().http().get(KEYS).send().await.assert_ok();

    for key in set["keys"].as_array().expect("an array") {
        let mut members: Vec<_> = key.as_object().expect("an object").keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
    }
}

#[tokio::test]
async fn a_jk_02_the_entity_tag_follows_the_keys() {
    let stack = Stack::with_ada("editor").await;
    let before = stack.auth().http().get(KEYS).send().await;
    let tag = before.header("etag").expect("an entity tag").to_owned();
    stack.auth().http().get(KEYS).header("if-none-match", &tag).send().await.assert_status(304);

    stack.operator().rotate_key(false).await.expect("nothing is announced yet");
    await_listed(stack.auth(), 2).await;

    let after = stack.auth().http().get(KEYS).header("if-none-match", &tag).send().await;
    after.assert_ok();
    assert_ne!(after.header("etag"), Some(&*tag));
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
async fn a_jk_09_a_key_is_listed_until_its_last_token_has_ended_and_then_no_more() {
    let stack = Stack::with_ada("editor").await;
    let token = stack.client().scope("account").log_in("ada", PASSWORD).await;
    let account = || stack.auth().http().get("/account").bearer(&token).send();
    stack.operator().rotate_key(true).await.expect("nobody else does");
    await_other_key(&stack.client(), &key_of(&token)).await;
    account().await.assert_ok();

    let database = stack.auth_home().database();
    let row = database.row("SELECT verify_until - sign_until AS longer FROM signing_key WHERE sign_until IS NOT NULL").await;
    let longer: i64 = row.try_get("", "longer").expect("seconds");
    assert!(longer >= 600 + 30, "the life of a token and the leeway of a verifier: {longer}");

    database.run("UPDATE signing_key SET verify_until = sign_until WHERE sign_until IS NOT NULL", []).await;
    let left = await_listed(stack.auth(), 1).await;

    assert!(!left.contains(&key_of(&token)));
    account().await.assert_invalid_token();
    assert_eq!(states(stack.auth()).await, ["retired", "active"]);
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

    await_none(stack.auth_home(), "SELECT id FROM signing_key WHERE sign_until IS NOT NULL AND sealed IS NOT NULL").await;

    let issuer = stack.auth().issuer().to_owned();
    let (home, _resource_home) = stack.stop().await;
    let auth = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts without that half");
    auth.http().get("/account").bearer(&token).send().await.assert_ok();
    assert_eq!(listed(&auth).await.len(), 2);
}

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

/// Two replicas on one empty database, started at once.
pub(crate) async fn replicas(home: &AuthHome) -> [AuthServer; 2] {
    let start = || home.start(|config| config.issuer = Some("http://issuer.example".to_owned()));
    let (one, other) = tokio::join!(start(), start());
    [one.expect("the one starts"), other.expect("the other starts")]
}

#[tokio::test]
async fn two_replicas_that_start_at_once_make_one_key() {
    let home = AuthHome::new().await;

    let [one, other] = replicas(&home).await;

    assert_eq!(plan(&one).await.len(), 1);
    assert_eq!(listed(&one).await, listed(&other).await);
    one.user("ada", &["editor"]).await;
    let tokens = one.client().scope("account").open_session("ada", PASSWORD).await;
    other.http().get("/account").bearer(&tokens.access).send().await.assert_ok();
    let next = other.client().next_tokens(&tokens.refresh).await;
    assert_eq!(one.client().next_tokens(&tokens.refresh).await.refresh, next.refresh, "a lost answer is anybody's to repeat");
    one.client().next_tokens(&next.refresh).await;
}

#[tokio::test]
async fn two_replicas_that_rotate_at_once_make_one_key_and_both_follow_it() {
    let home = AuthHome::new().await;
    let [one, other] = replicas(&home).await;
    one.user("ada", &["editor"]).await;
    let first = key_of(&one.client().log_in("ada", PASSWORD).await);

    let mut rotating = JoinSet::new();
    for replica in [&one, &other].repeat(4) {
        let operator = replica.operator().clone();
        rotating.spawn(async move { operator.rotate_key(false).await.is_ok() });
    }
    let made = rotating.join_all().await.into_iter().filter(|made| *made).count();

    assert_eq!(made, 1, "one of them made it");
    assert_eq!(await_listed(&one, 2).await, await_listed(&other, 2).await);
    one.operator().rotate_key(true).await.expect("nobody else does");
    let by_one = await_other_key(&one.client(), &first).await;
    let by_other = await_other_key(&other.client(), &first).await;
    assert_eq!(key_of(&by_one), key_of(&by_other));
    assert_eq!(states(&other).await, ["retiring", "active"]);
}

#[tokio::test]
async fn two_replicas_share_what_was_revoked() {
    let home = AuthHome::new().await;
    let [one, other] = replicas(&home).await;
    one.user("ada", &["editor"]).await;
    let tokens = one.client().scope("account").open_session("ada", PASSWORD).await;
    let account = || other.http().get("/account").bearer(&tokens.access).send();
    account().await.assert_ok();

    one.client().revoke(&tokens.refresh).await.assert_status(200);

    other.client().refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    let refused = async {
        while account().await.status() == 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("the other one follows");
    account().await.assert_invalid_token();
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

#[tokio::test]
async fn more_keys_than_verifiers_take_are_never_listed() {
    let home = AuthHome::new().await;
    // Quicker to make than RSA, and as many bytes do not matter here.
    let auth = home.start(|config| config.signing_algorithm = Algorithm::Es256).await.expect("it starts");
    auth.user("ada", &["editor"]).await;

    for _ in 1..MAX_KEYS {
        auth.operator().rotate_key(true).await.expect("there is room");
    }
    let refused = auth.operator().rotate_key(true).await.expect_err("there is none");

    assert!(refused.to_string().contains("verifiers take no more"), "{refused:#}");
    assert_eq!(await_listed(&auth, MAX_KEYS).await.len(), MAX_KEYS);
    let token = auth.client().scope("account").log_in("ada", PASSWORD).await;
    auth.http().get("/account").bearer(&token).send().await.assert_ok();
}
