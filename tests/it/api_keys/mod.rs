//! API keys: made by their owners, shown once, good in one header, and dead everywhere within seconds once they are revoked.

mod end;
mod guessing;
mod issue_and_use;
mod management;
mod presentation;

use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, Answer, PASSWORD, Stack};

/// A stack whose revocations arrive at once, with Ada, an editor.
async fn stack_with_ada() -> Stack {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    stack.await_ready().await;
    stack
}

async fn account_token(stack: &Stack, username: &str) -> String {
    stack.client().scope("account").log_in(username, PASSWORD).await
}

async fn admin_token(stack: &Stack) -> String {
    stack.client().scope("admin:keys").log_in("admin", ADMIN_PASSWORD).await
}

async fn create(stack: &Stack, token: &str, body: &Value) -> Answer {
    stack.auth().http().post("/account/api-keys").bearer(token).json(body).send().await
}

/// Makes a key and returns its identifier and the key itself.
async fn made(stack: &Stack, token: &str, scope: &str) -> (String, String) {
    let answer = create(stack, token, &json!({"name": "ci", "scope": scope})).await;
    let key = answer.assert_status(201).json();
    let text = |name: &str| key[name].as_str().expect("text").to_owned();
    (text("id"), text("key"))
}

/// The identifier in a key.
fn id_of(key: &str) -> &str {
    key.rsplit_once('_').expect("an identifier").0
}
