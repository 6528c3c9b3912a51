//! What ends a key, and that its tokens end with it.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{account_token, id_of, made, stack_with_ada};

#[tokio::test]
async fn a_ak_02_a_revoked_key_is_dead_everywhere_and_so_is_its_token() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;
    let (id, key) = made(&stack, &token, "documents:read").await;
    let other = stack.api_key("ada", "documents:read").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present_key(&key).await.assert_ok();
    stack.present_key(&other).await.assert_ok();
    stack.present(&exchanged).await.assert_ok();
    let path = format!("/account/api-keys/{id}");

    stack.auth().http().delete(&path).bearer(&token).send().await.assert_status(204);

    stack.await_refusal_of_key(&key).await;
    stack.await_refusal(&exchanged).await;
    stack.present_key(&other).await.assert_ok();
    assert_eq!(stack.auth().http().get(&path).bearer(&token).send().await.assert_ok()["state"], "revoked");
    stack.auth().http().delete(&path).bearer(&token).send().await.assert_status(204);
    let rotate = stack.auth().http().post(&format!("{path}/rotate")).bearer(&token).json(&json!({}));
    rotate.send().await.assert_problem(404);
}

#[tokio::test]
async fn a_ak_02_a_disabled_owner_takes_the_keys_along() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present_key(&key).await.assert_ok();
    stack.present(&exchanged).await.assert_ok();

    stack.operator().enable_user("ada", false).await.expect("there is such a user");

    stack.await_refusal_of_key(&key).await;
    stack.await_refusal(&exchanged).await;
}

#[tokio::test]
async fn a_ak_02_other_roles_end_the_tokens_and_the_key_follows_them() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read documents:write").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present(&exchanged).await.assert_ok();
    stack.present_key(&key).await.assert_ok();

    stack.operator().set_roles("ada", &["reader"]).await.expect("there is such a role");

    stack.await_refusal(&exchanged).await;
    // The guard notices that its token is revoked, and exchanges the key anew.
    let me = stack.present_key(&key).await.assert_ok();
    assert_eq!((&me["scopes"], &me["roles"]), (&json!(["documents:read"]), &json!(["reader"])));
    stack.operator().set_roles("ada", &[]).await.expect("nobody needs a role");
    stack.await_refusal_of_key(&key).await;
}

#[tokio::test]
async fn a_ak_02_a_new_password_ends_the_tokens_and_not_the_key() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present(&exchanged).await.assert_ok();
    stack.present_key(&key).await.assert_ok();

    stack.operator().set_password("ada", "another phrase that nobody guesses").await.expect("it is acceptable");

    stack.await_refusal(&exchanged).await;
    stack.present_key(&key).await.assert_ok();
}

#[tokio::test]
async fn a_ak_02_no_token_survives_a_race_with_the_end_of_its_key() {
    let stack = stack_with_ada().await;
    let api = stack.introspecting_client().await;
    let client = stack.client().unnamed();
    let mut issued = 0;
    for round in 0..6 {
        let key = stack.api_key("ada", "documents:read").await;
        let mut crowd = JoinSet::new();
        for _ in 0..8 {
            crowd.spawn(client.exchange_request(&key).send());
        }
        let mut tokens = Vec::new();
        for _ in 0..round {
            let answer = crowd.join_next().await.expect("there are eight").expect("it answers");
            tokens.push(answer.assert_tokens());
        }
        match round % 3 {
            0 => stack.operator().revoke_api_key(id_of(&key)).await.expect("there is such a key"),
            1 => stack.operator().enable_user("ada", false).await.expect("there is such a user"),
            _ => stack.operator().set_roles("ada", &[]).await.expect("nobody needs a role"),
        }
        for answer in crowd.join_all().await {
            match answer.status() {
                200 => tokens.push(answer.assert_tokens()),
                _ => assert!(["invalid_request", "invalid_scope"].contains(&answer.json()["error"].as_str().unwrap_or_default())),
            }
        }
        issued += tokens.len();
        for token in tokens {
            assert_eq!(api.introspect(&token).await.assert_ok(), json!({ "active": false }), "in round {round}");
        }
        stack.operator().enable_user("ada", true).await.expect("there is such a user");
        stack.operator().set_roles("ada", &["editor"]).await.expect("there is such a role");
    }
    assert!(issued > 0, "some were quicker");
}

#[tokio::test]
async fn a_ak_02_an_expired_key_is_dead() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    stack.auth_home().database().run("UPDATE api_key SET expires_at = created_at - 1", []).await;

    stack.present_key(&key).await.assert_invalid_token();

    let list = stack.auth().http().get("/account/api-keys").bearer(&account_token(&stack, "ada").await).send().await.assert_ok();
    assert_eq!(list["api_keys"][0]["state"], "expired");
}

#[tokio::test]
async fn a_rotated_key_overlaps_with_the_one_before() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;
    let (id, old) = made(&stack, &token, "documents:read").await;
    stack.present_key(&old).await.assert_ok();
    let rotate = |body: Value| stack.auth().http().post(&format!("/account/api-keys/{id}/rotate")).bearer(&token).json(&body);

    let rotated = rotate(json!({})).send().await.assert_ok();

    let new = rotated["key"].as_str().expect("a key").to_owned();
    assert_eq!((id_of(&new), id_of(&old)), (&*id, &*id));
    assert!(rotated["previous_until"].is_string() && new != old, "{rotated}");
    for key in [&old, &new] {
        stack.present_key(key).await.assert_ok();
    }
    // A third would have to end the first; that happens only when it is asked for.
    rotate(json!({"overlap_seconds": 60})).send().await.assert_problem(409);
    let third = rotate(json!({"overlap_seconds": 0})).send().await.assert_ok();
    assert_eq!(third.get("previous_until"), None);
    for key in [&old, &new] {
        stack.await_refusal_of_key(key).await;
    }
    stack.present_key(third["key"].as_str().expect("a key")).await.assert_ok();
    rotate(json!({"overlap_seconds": 604_801})).send().await.assert_problem(400);
}
