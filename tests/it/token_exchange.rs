//! Token exchange (RFC 8693): an API key becomes a short access token, which is never worth more than the key.

use std::time::Duration;

use auth_service::{ClientKind, NewApiKey, NewClient};
use serde_json::json;
use tests::{Answer, OAuthClient, PASSWORD, Stack, jwt::Token};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const API_KEY: &str = "urn:x-oauth:token-type:api-key";

/// A stack with Ada, an editor, and a key of hers.
async fn stack_with_key(scope: &str) -> (Stack, String) {
    let stack = Stack::with_ada("editor").await;
    let key = stack.api_key("ada", scope).await;
    (stack, key)
}

/// Whoever has a key and nothing else.
fn holder(stack: &Stack) -> OAuthClient {
    stack.client().unnamed()
}

/// RFC 8693 §2.2.2: whatever is wrong with a subject token, the answer is `invalid_request`.
#[track_caller]
fn assert_refused(answer: &Answer) -> String {
    answer.assert_oauth_error(400, "invalid_request");
    answer.json()["error_description"].as_str().expect("a description").to_owned()
}

#[tokio::test]
async fn a_ak_07_a_key_becomes_a_token_that_opens_the_api_in_its_owners_name() {
    let (stack, key) = stack_with_key("documents:read documents:write").await;

    let answer = holder(&stack).exchange(&key).await;

    let token = answer.assert_tokens();
    let body = answer.json();
    assert_eq!((&body["issued_token_type"], &body["token_type"]), (&json!(ACCESS_TOKEN), &json!("Bearer")));
    assert_eq!((&body["scope"], &body["expires_in"]), (&json!("documents:read documents:write"), &json!(600)));
    assert_eq!(body.get("refresh_token"), None);
    let claims = Token::read(&token).claims;
    let id = key.rsplit_once('_').expect("an identifier").0;
    assert_eq!((&claims["client_id"], &claims["act"]), (&json!("api-key"), &json!({ "sub": id })));
    assert_eq!((&claims["roles"], claims.get("auth_time")), (&json!(["editor"]), None));
    let me = stack.present(&token).await.assert_ok();
    assert_eq!(me["subject"], claims["sub"]);
}

#[tokio::test]
async fn a_ak_07_a_token_allows_no_more_than_the_key() {
    let (stack, key) = stack_with_key("documents:read").await;
    let holder = holder(&stack);

    assert_eq!(holder.exchange(&key).await.assert_ok()["scope"], "documents:read");
    for scope in ["documents:write", "documents:read documents:write", "account", "admin:keys", "unheard-of"] {
        holder.clone().scope(scope).exchange(&key).await.assert_oauth_error(400, "invalid_scope");
    }
    let issuer = stack.auth().issuer();
    for resource in [issuer, "https://elsewhere.example"] {
        let answer = holder.clone().resource(resource).exchange(&key).await;
        let code = if resource == issuer { "invalid_scope" } else { "invalid_target" };
        answer.assert_oauth_error(400, code);
    }
}

#[tokio::test]
async fn a_ak_07_one_token_is_for_one_resource() {
    let stack = Stack::start().await;
    let (first, second) = (stack.resource().id(), "https://orders.example");
    stack.operator().add_resource(second, &"orders:read".parse().expect("a scope")).await.expect("it is new");
    stack.operator().add_role("buyer", &"orders:read".parse().expect("a scope")).await.expect("it is new");
    stack.user("ada", &["editor", "buyer"]).await;
    let key = stack.api_key("ada", "documents:read orders:read").await;
    let holder = holder(&stack);

    // Which of the two is meant has to be said, one way or the other.
    holder.exchange(&key).await.assert_oauth_error(400, "invalid_scope");
    holder.clone().scope("documents:read orders:read").exchange(&key).await.assert_oauth_error(400, "invalid_scope");
    holder.clone().resource(first).resource(second).exchange(&key).await.assert_oauth_error(400, "invalid_target");
    for (client, audience) in [
        (holder.clone().resource(first), first),
        (holder.clone().resource(second), second),
        (holder.clone().scope("orders:read"), second),
    ] {
        let token = client.exchange(&key).await.assert_tokens();
        assert_eq!(Token::read(&token).claims["aud"], audience);
    }
}

#[tokio::test]
async fn a_ak_07_a_token_ends_with_its_key() {
    let stack = Stack::with_ada("editor").await;
    let scope = "documents:read".parse().expect("a scope");
    let new = NewApiKey { name: "brief", scope: &scope, lifetime: Duration::from_mins(1), sources: &[] };
    let key = stack.operator().add_api_key("ada", new).await.expect("it is acceptable");
    let key = secrecy::ExposeSecret::expose_secret(&key);

    let expires_in = holder(&stack).exchange(key).await.assert_ok()["expires_in"].as_i64().expect("seconds");

    assert!((1..=60).contains(&expires_in), "{expires_in}");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_key_the_answer_is_the_same() {
    let (stack, key) = stack_with_key("documents:read").await;
    let holder = holder(&stack);
    let database = stack.auth_home().database();
    let id = key.rsplit_once('_').expect("an identifier").0.to_owned();
    let expected = assert_refused(&holder.exchange("ask_").await);

    // Malformed, of nobody, and with another secret; each with a right checksum but for the first.
    for wrong in [
        key.to_uppercase(),
        format!("{key}0"),
        shared::access_token::ApiKey::compose("ask_00000000000000000000000000000000", &[7; 32]),
        shared::access_token::ApiKey::compose(&id, &[7; 32]),
    ] {
        let answer = holder.exchange(&wrong).await;
        assert_eq!(assert_refused(&answer), expected);
        answer.assert_no_echo(&wrong);
    }
    holder.exchange(&key).await.assert_tokens();
    stack.operator().enable_user("ada", false).await.expect("there is such a user");
    assert_eq!(assert_refused(&holder.exchange(&key).await), expected);
    stack.operator().enable_user("ada", true).await.expect("there is such a user");
    holder.exchange(&key).await.assert_tokens();
    database.run("UPDATE api_key SET expires_at = created_at - 1", []).await;
    assert_eq!(assert_refused(&holder.exchange(&key).await), expected);
    database.run("UPDATE api_key SET expires_at = created_at + 1000", []).await;
    stack.operator().revoke_api_key(&id).await.expect("there is such a key");
    assert_eq!(assert_refused(&holder.exchange(&key).await), expected);

    let rows = database.rows("SELECT reason FROM audit_event WHERE outcome = 'refused' ORDER BY id").await;
    let reasons: Vec<String> = rows.iter().map(|row| row.try_get("", "reason").expect("a reason")).collect();
    let all = ["malformed", "malformed", "malformed", "unknown", "wrong_secret", "owner_disabled", "expired", "revoked"];
    assert_eq!(reasons, all);
}

#[tokio::test]
async fn what_of_rfc_8693_is_not_offered_is_refused_and_not_passed_over() {
    let (stack, key) = stack_with_key("documents:read").await;
    let token = stack.client().log_in("ada", PASSWORD).await;
    let client = holder(&stack);
    let good = [("grant_type", GRANT), ("subject_token", &key), ("subject_token_type", API_KEY)];
    let with = |name, value| [&good[..], &[(name, value)]].concat();

    client.request(&with("requested_token_type", ACCESS_TOKEN)).send().await.assert_tokens();
    for form in [
        good[..1].to_vec(),
        good[..2].to_vec(),
        vec![good[0], good[1], ("subject_token_type", ACCESS_TOKEN)],
        vec![good[0], ("subject_token", &token), ("subject_token_type", ACCESS_TOKEN)],
        vec![good[0], ("subject_token", &token), good[2]],
        with("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
        with("actor_token", &token),
        with("audience", "documents"),
        with("subject_token", &key),
    ] {
        client.request(&form).send().await.assert_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn only_a_client_with_the_grant_may_exchange_and_only_within_its_own_scope() {
    let (stack, key) = stack_with_key("documents:read documents:write").await;
    let with = stack.new_client("with", ClientKind::Confidential, &[GRANT], "documents:read");
    let with = stack.auth().register(with).await;

    stack.client().exchange(&key).await.assert_oauth_error(400, "unauthorized_client");
    stack.app("without").await.exchange(&key).await.assert_oauth_error(400, "unauthorized_client");
    stack.client().basic("with", "wrong").exchange(&key).await.assert_invalid_client();
    let token = with.exchange(&key).await.assert_tokens();
    let claims = Token::read(&token).claims;
    assert_eq!((&claims["scope"], &claims["client_id"]), (&json!("documents:read"), &json!("with")));
    // The client of those who have nothing but a key can do nothing else, and nobody can take its name.
    holder(&stack).public("api-key").exchange(&key).await.assert_tokens();
    holder(&stack).in_body("api-key", "secret").exchange(&key).await.assert_invalid_client();
    holder(&stack).public("api-key").password("ada", PASSWORD).await.assert_oauth_error(400, "unauthorized_client");
    stack.operator().add_client(NewClient::new("api-key", ClientKind::Public)).await.expect_err("the name is taken");
}

#[tokio::test]
async fn a_ak_02_disabling_the_client_ends_the_tokens_it_exchanged() {
    let (stack, key) = stack_with_key("documents:read").await;
    let new = stack.new_client("app", ClientKind::Public, &[GRANT], "documents:read");
    let token = stack.auth().register(new).await.exchange(&key).await.assert_tokens();
    stack.present(&token).await.assert_ok();

    stack.operator().enable_client("app", false).await.expect("there is such a client");

    stack.await_refusal(&token).await;
}

#[tokio::test]
async fn an_exchanged_token_can_be_looked_at_and_revoked_like_any_other() {
    let (stack, key) = stack_with_key("documents:read").await;
    let api = stack.introspecting_client().await;
    let token = holder(&stack).exchange(&key).await.assert_tokens();

    let seen = api.introspect(&token).await.assert_ok();
    assert_eq!((&seen["active"], &seen["username"]), (&json!(true), &json!("ada")));
    assert_eq!(seen["act"]["sub"], key.rsplit_once('_').expect("an identifier").0);
    holder(&stack).public("api-key").revoke(&token).await.assert_status(200);

    assert_eq!(api.introspect(&token).await.assert_ok(), json!({ "active": false }));
    stack.await_refusal(&token).await;
    // The key itself goes on.
    holder(&stack).exchange(&key).await.assert_tokens();
}

#[tokio::test]
async fn an_exchange_is_recorded_with_the_key_and_never_with_its_secret() {
    let (stack, key) = stack_with_key("documents:read").await;
    holder(&stack).exchange(&key).await.assert_tokens();

    let database = stack.auth_home().database();
    let row =
        database.row("SELECT outcome, subject, client_id, detail, ip FROM audit_event WHERE action = 'api_key.exchange'").await;
    let text = |name: &str| row.try_get::<String>("", name).expect("text");
    assert_eq!((text("outcome"), text("client_id"), text("ip")), ("ok".into(), "api-key".into(), "127.0.0.1".into()));
    assert_eq!(text("detail"), key.rsplit_once('_').expect("an identifier").0);
    assert!(text("subject").starts_with("usr_"));
    let secret = key.rsplit_once('_').expect("a secret").1;
    assert!(!format!("{:?}", database.dump().await).contains(secret));
}
