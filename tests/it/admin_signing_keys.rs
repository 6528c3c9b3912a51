//! Signing keys, as administrators see and change them over HTTP.

use serde_json::{Value, json};
use tests::{PASSWORD, Stack, jwt::Token};

const PATH: &str = "/admin/signing-keys";

fn states(plan: &Value) -> Vec<&str> {
    plan["keys"].as_array().expect("a list").iter().map(|key| key["state"].as_str().expect("a state")).collect()
}

#[tokio::test]
async fn the_plan_of_the_keys_is_seen_and_hastened() {
    let stack = Stack::start().await;
    let token = stack.admin_token("admin:keys").await;
    let http = stack.auth().http();
    let rotate = |now: bool| http.post(&format!("{PATH}/rotate")).bearer(&token).json(&json!({"now": now})).send();

    let plan = http.get(PATH).bearer(&token).send().await.assert_ok();
    assert_eq!(states(&plan), ["active"]);
    assert!(plan["next_announcement_at"].as_str().is_some_and(|date| date.ends_with('Z')), "{plan}");
    assert!(!plan.to_string().contains("sealed"), "{plan}");

    assert_eq!(states(&rotate(false).await.assert_ok()), ["active", "announced"]);
    rotate(false).await.assert_problem(409);
    assert_eq!(states(&rotate(true).await.assert_ok()), ["retiring", "active"]);
    stack.user("ada", &["reader"]).await;
    let fresh = stack.client().log_in("ada", PASSWORD).await;
    let plan = http.get(PATH).bearer(&token).send().await.assert_ok();
    assert_eq!(Token::read(&fresh).header["kid"], plan["keys"][1]["id"]);
}

#[tokio::test]
async fn a_revoked_key_is_worth_nothing_at_once_and_another_signs() {
    let stack = Stack::start().await;
    let token = stack.admin_token("admin:keys").await;
    let http = stack.auth().http();
    let revoke = |id: &str| http.post(&format!("{PATH}/{id}/revoke")).bearer(&token).send();
    let id = Token::read(&token).header["kid"].as_str().expect("a key").to_owned();

    revoke("unheard-of").await.assert_problem(404);
    assert_eq!(states(&revoke(&id).await.assert_ok()), ["revoked", "active"]);

    http.get(PATH).bearer(&token).send().await.assert_invalid_token();
    let token = stack.admin_token("admin:keys").await;
    assert_eq!(states(&http.get(PATH).bearer(&token).send().await.assert_ok()), ["revoked", "active"]);
    http.post(&format!("{PATH}/{id}/revoke")).bearer(&token).send().await.assert_problem(409);
    assert_eq!(stack.recorded("signing_key.revoke", "ok", None).await, 1);
}
