//! Which keys are published, with what in them, and for how long.

use auth_service::Algorithm;
use shared::access_token::MAX_KEYS;
use tests::{AuthHome, PASSWORD, Stack};

use super::{KEYS, await_listed, await_other_key, key_of, states};

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
