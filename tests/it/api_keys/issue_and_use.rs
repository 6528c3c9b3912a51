//! What a key is made of, and that it opens what it was made for.

use serde_json::json;
use tests::{Answer, Stack};
use tokio::task::JoinSet;

use super::{account_token, create, made, stack_with_ada};

#[tokio::test]
async fn a_ak_01_a_key_is_shown_once_and_known_by_its_ends_afterwards() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;
    let http = stack.auth().http();

    let answer = create(&stack, &token, &json!({"name": "ci", "scope": "documents:read"})).await;

    answer.assert_status(201).assert_hardened();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let made = answer.json();
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    let path = format!("/account/api-keys/{id}");
    assert_eq!(answer.header("location"), Some(&*path));
    assert!(key.starts_with(&format!("{id}_")), "{made}");
    assert_eq!(key.rsplit_once('_').expect("a secret").1.len(), 64 + 8, "256 bits and a checksum");
    assert_eq!((&made["name"], &made["scopes"], &made["state"]), (&json!("ci"), &json!(["documents:read"]), &json!("active")));
    let read = http.get(&path).bearer(&token).send().await.assert_ok();
    let list = http.get("/account/api-keys").bearer(&token).send().await.assert_ok();
    assert_eq!(list["api_keys"], json!([read]));
    assert_eq!(read["last_four"], key[key.len() - 4..]);
    let mut without_key = made.clone();
    without_key.as_object_mut().expect("an object").remove("key");
    assert_eq!(read, without_key);
    let dump = format!("{:?}", stack.auth_home().database().dump().await);
    assert!(!dump.contains(key.rsplit_once('_').expect("a secret").1), "only a digest is kept");
}

#[tokio::test]
async fn a_key_opens_what_it_was_made_for() {
    let stack = stack_with_ada().await;
    let (_, reading) = made(&stack, &account_token(&stack, "ada").await, "documents:read").await;
    let (_, writing) = made(&stack, &account_token(&stack, "ada").await, "documents:read documents:write").await;
    let document = json!({"title": "Plan", "content": ""});

    let me = stack.present_key(&reading).await.assert_ok();
    let refused = stack.api().post("/documents").api_key(&reading).json(&document).send().await;
    stack.api().post("/documents").api_key(&writing).json(&document).send().await.assert_status(201);

    assert_eq!((&me["client"], &me["scopes"]), (&json!("api-key"), &json!(["documents:read"])));
    refused.assert_challenge(403, Some("insufficient_scope"));
    let documents = stack.api().get("/documents").api_key(&reading).send().await.assert_ok();
    assert_eq!(documents["documents"].as_array().map(Vec::len), Some(1), "both keys are Ada's");
}

#[tokio::test]
async fn a_key_is_exchanged_once_and_its_last_use_is_noted_once() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    for _ in 0..5 {
        stack.present_key(&key).await.assert_ok();
    }

    let database = stack.auth_home().database();
    let exchanges = database.rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert_eq!(exchanges.len(), 1);
    database.run("UPDATE api_key SET last_used_at = last_used_at - 3000", []).await;
    let before = database.row("SELECT last_used_at FROM api_key").await.try_get::<i64>("", "last_used_at").expect("a time");
    stack.client().unnamed().exchange(&key).await.assert_tokens();
    let after = database.row("SELECT last_used_at FROM api_key").await.try_get::<i64>("", "last_used_at").expect("a time");
    assert_eq!(before, after, "within an hour it is not written again");
}

/// Many first uses of a key at once.
async fn crowd(stack: &Stack, key: &str) -> Vec<Answer> {
    let mut crowd = JoinSet::new();
    for _ in 0..20 {
        crowd.spawn(stack.api().get("/me").api_key(key).send());
    }
    crowd.join_all().await
}

#[tokio::test]
async fn concurrent_first_uses_of_a_key_are_one_exchange() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;

    let answers = crowd(&stack, &key).await;

    assert!(answers.iter().all(|answer| answer.status() == 200));
    let exchanges = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert_eq!(exchanges.len(), 1);
}
