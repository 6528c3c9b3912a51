//! A client on its own behalf (RFC 6749 §4.4, RFC 9068 §2.2, RFC 9700 §4.15).

use auth_service::{ClientKind, NewClient};
use serde_json::json;
use tests::{OAuthClient, PASSWORD, Stack, jwt::Token};

/// A client with roles of its own.
async fn register_batch(stack: &Stack, roles: &[&str], scope: &str) -> OAuthClient {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    let new = stack.new_client("batch", ClientKind::Confidential, &["client_credentials", "refresh_token"], scope);
    stack.auth().register(NewClient { roles, ..new }).await
}

#[tokio::test]
async fn cc_01_a_public_client_speaks_for_nobody() {
    let stack = Stack::start().await;
    let mut new = stack.new_client("app", ClientKind::Public, &["client_credentials"], "documents:read");
    stack.operator().add_client(new.clone()).await.expect_err("it cannot keep a secret");
    new.grants = vec!["password".to_owned()];
    let app = stack.auth().register(new).await;

    app.client_credentials().await.assert_oauth_error(400, "unauthorized_client");
    stack.client().client_credentials().await.assert_oauth_error(400, "unauthorized_client");
    stack.client().unnamed().client_credentials().await.assert_invalid_client();
}

#[tokio::test]
async fn cc_01_a_confidential_client_that_was_not_told_so_may_not() {
    let stack = Stack::start().await;

    let app = stack.app("app").await;

    app.client_credentials().await.assert_oauth_error(400, "unauthorized_client");
    app.clone().public("app").client_credentials().await.assert_invalid_client();
    app.basic("app", "wrong").client_credentials().await.assert_invalid_client();
}

#[tokio::test]
async fn cc_02_a_te_13_there_is_no_refresh_token() {
    let stack = Stack::start().await;
    let batch = register_batch(&stack, &["reader"], "documents:read").await;

    let answer = batch.client_credentials().await;

    answer.assert_tokens();
    let mut members: Vec<String> = answer.assert_ok().as_object().expect("an object").keys().cloned().collect();
    members.sort_unstable();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
}

#[tokio::test]
async fn cc_03_a_te_13_the_client_is_the_subject_and_nobody_logged_in() {
    let stack = Stack::start().await;
    let batch = register_batch(&stack, &["reader"], "documents:read").await;

    let token = batch.client_credentials().await.assert_tokens();

    let claims = Token::read(&token).claims;
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("batch"), &json!("batch")));
    assert_eq!(claims["aud"], stack.resource().id());
    assert_eq!((&claims["roles"], &claims["scope"]), (&json!(["reader"]), &json!("documents:read")));
    for claim in ["auth_time", "acr", "amr"] {
        assert_eq!(claims.get(claim), None, "{claim}");
    }
    let me = stack.present(&token).await.assert_ok();
    assert_eq!((&me["subject"], &me["client"]), (&json!("batch"), &json!("batch")));
}

#[tokio::test]
async fn cc_03_a_te_14_no_client_can_pass_for_a_user() {
    let stack = Stack::start().await;
    let user_id = stack.user("ada", &["reader"]).await;
    for taken in [user_id.as_str(), "usr_", "usr_ada", "ada", "ADA"] {
        let new = NewClient::new(taken, ClientKind::Confidential);
        stack.operator().add_client(new).await.expect_err("identifiers of users and clients are disjoint");
    }

    let new = stack.new_client("robot", ClientKind::Confidential, &["client_credentials"], "account");
    let robot = stack.auth().register(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    let token = robot.scope("account").client_credentials().await.assert_tokens();

    stack.auth().http().get("/account").bearer(&token).send().await.assert_problem(404);
    assert_ne!(Token::read(&token).claims["sub"], user_id);
}

#[tokio::test]
async fn what_it_gets_is_what_it_asks_for_within_its_own_limits_and_those_of_its_roles() {
    let stack = Stack::start().await;
    let batch = register_batch(&stack, &["reader"], "documents:read documents:write account").await;

    assert_eq!(batch.client_credentials().await.assert_ok()["scope"], "documents:read", "what the role lacks is left out");
    let both = batch.clone().scope("documents:read documents:write").client_credentials().await;
    assert_eq!(both.assert_ok()["scope"], "documents:read");
    for refused in ["documents:write", "documents:admin", "documents:read account", "unheard-of"] {
        batch.clone().scope(refused).client_credentials().await.assert_oauth_error(400, "invalid_scope");
    }
    let account = batch.clone().resource(stack.auth().issuer()).client_credentials().await;
    assert_eq!(Token::read(&account.assert_tokens()).claims["aud"], stack.auth().issuer());
    batch.resource("https://other.example").client_credentials().await.assert_oauth_error(400, "invalid_target");
}

#[tokio::test]
async fn without_a_role_of_its_own_a_client_has_no_rights() {
    let stack = Stack::start().await;

    let batch = register_batch(&stack, &[], "documents:read").await;

    batch.client_credentials().await.assert_oauth_error(400, "invalid_scope");
}

#[tokio::test]
async fn parameters_of_other_grants_are_passed_over() {
    let stack = Stack::with_ada("editor").await;
    let batch = register_batch(&stack, &["reader"], "documents:read documents:write").await;

    let further = [("username", "ada"), ("password", PASSWORD), ("sub", "ada"), ("roles", "admin"), ("refresh_token", "rt_")];
    let answer = batch.request(&[&[("grant_type", "client_credentials")], &further[..]].concat()).send().await;

    let claims = Token::read(&answer.assert_tokens()).claims;
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("batch"), &json!("documents:read")));
}

#[tokio::test]
async fn a_token_costs_the_database_no_write() {
    let stack = Stack::start().await;
    let batch = register_batch(&stack, &["reader"], "documents:read").await;
    // The first one leases places in a status list for those that follow.
    batch.client_credentials().await.assert_tokens();

    // Every few seconds the service looks after its tables, which may fall into one round, but not into each.
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let before = stack.auth_home().database().dump().await;
        for _ in 0..20 {
            batch.client_credentials().await.assert_tokens();
        }
        let after = stack.auth_home().database().dump().await;
        if after == before {
            return;
        }
        rounds.push((before, after));
    }
    let (before, after) = rounds.remove(0);
    assert_eq!(after, before);
}
