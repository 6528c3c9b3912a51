//! The caller's own account at the issuer, which is a protected resource like any other.

use serde_json::json;
use tests::{PASSWORD, Stack};

#[tokio::test]
async fn an_account_says_who_it_is() {
    let stack = Stack::start().await;
    let id = stack.user("Ada", &["reader", "editor"]).await;
    let token = stack.client().scope("account").log_in("ada", PASSWORD).await;

    let account = stack.auth().http().get("/account").bearer(&token).send().await.assert_ok();

    assert_eq!(account["id"], id);
    assert_eq!(account["username"], "Ada", "as it was typed");
    assert_eq!(account["roles"], json!(["editor", "reader"]));
    assert!(account["created_at"].as_str().is_some_and(|date| date.ends_with('Z')), "{account}");
    assert!(!account.to_string().contains("password"), "{account}");
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let stack = Stack::start().await;
    let token = stack.client().scope("admin:users").log_in("admin", tests::ADMIN_PASSWORD).await;

    let challenge =
        stack.auth().http().get("/account").bearer(&token).send().await.assert_challenge(403, Some("insufficient_scope"));

    assert_eq!(challenge.attribute("scope"), Some("account"));
}

#[tokio::test]
async fn without_a_good_token_there_is_no_account() {
    let stack = Stack::start().await;
    let account = || stack.auth().http().get("/account");

    account().send().await.assert_no_credentials();
    account().bearer("abc").send().await.assert_invalid_token();
    account().header("authorization", "Basic Og==").send().await.assert_no_credentials();
    account().bearer("a").bearer("b").send().await.assert_challenge(400, Some("invalid_request"));
}
