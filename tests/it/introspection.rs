//! What a token is worth now (RFC 7662), with answers as JSON or as a JWT (RFC 9701).

use std::time::Duration;

use auth_service::ClientKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use tests::{Answer, OAuthClient, PASSWORD, Stack, jwt::Token};

const INTROSPECT: &str = "/oauth2/introspect";
const JWT: &str = "application/token-introspection+jwt";

/// Expects that nothing is told but that the token is not active.
#[track_caller]
fn assert_inactive(answer: &Answer) {
    answer.assert_ok();
    answer.assert_never_stored();
    assert_eq!(answer.text(), r#"{"active":false}"#);
}

/// Reads an answer as a JWT would be read that comes from anywhere: with the issuer's published keys.
async fn verified(stack: &Stack, answer: &Answer, audience: &str) -> Value {
    assert_eq!(answer.media_type(), Some(JWT), "{answer}");
    let header = jsonwebtoken::decode_header(answer.text()).expect("it is a JWT");
    assert_eq!((header.typ.as_deref(), header.alg), (Some("token-introspection+jwt"), Algorithm::RS256));
    let keys = stack.auth().http().get("/.well-known/jwks.json").send().await.assert_ok();
    let keys: JwkSet = serde_json::from_value(keys).expect("it is a key set");
    let key = keys.find(&header.kid.expect("it names its key")).expect("the key is published");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[stack.auth().issuer()]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(key).expect("it is a public key");
    jsonwebtoken::decode::<Value>(answer.text(), &key, &validation).expect("the signature holds").claims
}

#[tokio::test]
async fn in_01_a_request_is_a_form_with_a_token() {
    let stack = Stack::with_ada("editor").await;
    let api = stack.introspecting_client().await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;

    api.request_at(INTROSPECT, &[]).send().await.assert_oauth_error(400, "invalid_request");
    api.introspect("").await.assert_oauth_error(400, "invalid_request");
    let twice = api.request_at(INTROSPECT, &[("token", "a"), ("token", "b")]);
    twice.send().await.assert_oauth_error(400, "invalid_request");
    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        let hinted = api.request_at(INTROSPECT, &[("token", &tokens.access), ("token_type_hint", hint)]);
        assert_eq!(hinted.send().await.assert_ok()["active"], true, "{hint}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = stack.auth().http().request(method, &format!("{INTROSPECT}?token={}", tokens.access)).send().await;
        answer.assert_problem(405);
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
}

#[tokio::test]
async fn in_02_a_rr_17_the_caller_is_known_before_the_token_is_looked_at() {
    let stack = Stack::with_ada("editor").await;
    stack.introspecting_client().await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;

    for stranger in [
        stack.client().unnamed(),
        stack.client().basic("documents-api", "wrong"),
        stack.client().public("documents-api"),
        stack.client().basic("nobody", "wrong"),
        // Anybody could call themselves by a public client's name.
        stack.client().public("first-party"),
    ] {
        for token in [tokens.access.as_str(), &tokens.refresh, "nonsense", ""] {
            stranger.introspect(token).await.assert_invalid_client();
        }
    }
}

#[tokio::test]
async fn in_03_an_active_access_token_is_told_in_full() {
    let stack = Stack::with_ada("editor").await;
    let api = stack.introspecting_client().await;
    let token = stack.client().log_in("ada", PASSWORD).await;

    let answer = api.introspect(&token).await;

    let told = answer.assert_ok();
    answer.assert_never_stored();
    let claims = Token::read(&token).claims;
    for claim in ["scope", "client_id", "exp", "iat", "nbf", "sub", "aud", "iss", "jti", "roles"] {
        assert_eq!(told[claim], claims[claim], "{claim}");
    }
    assert_eq!((&told["active"], &told["username"], &told["token_type"]), (&json!(true), &json!("ada"), &json!("Bearer")));
    assert!(!told.as_object().expect("an object").values().any(Value::is_null), "{told}");
}

#[tokio::test]
async fn in_03_an_active_refresh_token_is_told_to_the_client_that_holds_it() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let tokens = app.open_session("ada", PASSWORD).await;

    let told = app.introspect(&tokens.refresh).await.assert_ok();

    let claims = Token::read(&tokens.access).claims;
    for claim in ["scope", "client_id", "sub", "aud", "iss"] {
        assert_eq!(told[claim], claims[claim], "{claim}");
    }
    assert_eq!((&told["active"], &told["username"]), (&json!(true), &json!("ada")));
    assert!(told["exp"].as_i64() > claims["exp"].as_i64(), "{told}");
    assert_eq!(told.get("token_type"), None, "no resource server may take it for an access token: {told}");
}

#[tokio::test]
async fn in_03_a_client_on_its_own_behalf_has_no_username() {
    let stack = Stack::with_ada("editor").await;
    let mut new = stack.new_client("batch", ClientKind::Confidential, &["client_credentials"], "documents:read");
    new.roles = vec!["reader".to_owned()];
    let batch = stack.auth().register(new).await;
    let token = batch.client_credentials().await.assert_tokens();

    let told = batch.introspect(&token).await.assert_ok();

    assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!("batch")));
    assert_eq!(told.get("username"), None, "{told}");
}

#[tokio::test]
async fn in_04_whatever_is_not_active_is_told_alike() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let first = app.open_session("ada", PASSWORD).await;
    let second = app.next_tokens(&first.refresh).await;
    let revoked = app.open_session("ada", PASSWORD).await;
    app.revoke(&revoked.refresh).await.assert_status(200);
    let key = stack.auth_home().signing_key().await;
    let expired = Token::read(&second.access).moved(-3600).sign(&key);
    let other_type = Token::read(&second.access).header("typ", "JWT").sign(&key);
    let other_issuer = Token::read(&second.access).claim("iss", "https://evil.example").sign(&key);
    let forged = Token::read(&second.access).sign(&tests::jwt::SigningKey::generate());

    for token in [
        "nonsense",
        "a.b.c",
        "rt_",
        &first.refresh,
        &revoked.refresh,
        &revoked.access,
        &expired,
        &other_type,
        &other_issuer,
        &forged,
        &format!("{}x", second.refresh),
        &second.refresh.to_uppercase(),
    ] {
        assert_inactive(&app.introspect(token).await);
    }
    assert_eq!(app.introspect(&second.access).await.assert_ok()["active"], true);
    assert_eq!(app.introspect(&second.refresh).await.assert_ok()["active"], true);
}

#[tokio::test]
async fn in_04_a_rr_17_a_token_is_nobody_elses_business() {
    let stack = Stack::with_ada("editor").await;
    let (app, other, api) = (stack.app("app").await, stack.app("other").await, stack.introspecting_client().await);
    let tokens = app.open_session("ada", PASSWORD).await;
    let for_issuer = app.clone().scope("account").open_session("ada", PASSWORD).await;

    assert_inactive(&other.introspect(&tokens.access).await);
    assert_inactive(&other.introspect(&tokens.refresh).await);
    assert_inactive(&api.introspect(&for_issuer.access).await);
    assert_inactive(&api.introspect(&tokens.refresh).await);

    for entitled in [&app, &api] {
        assert_eq!(entitled.introspect(&tokens.access).await.assert_ok()["active"], true);
    }
}

/// A.JV-28
#[tokio::test]
async fn in_04_what_happened_a_moment_ago_is_told() {
    let stack = Stack::with_ada("editor").await;
    let (app, api) = (stack.app("app").await, stack.introspecting_client().await);
    let is_active = async |client: &OAuthClient, token: &str| client.introspect(token).await.assert_ok()["active"] == true;

    let tokens = app.open_session("ada", PASSWORD).await;
    app.revoke(&tokens.access).await.assert_status(200);
    assert!(!is_active(&api, &tokens.access).await);
    assert!(is_active(&app, &tokens.refresh).await);

    stack.operator().set_password("ada", "another phrase that nobody guesses").await.expect("it is acceptable");
    assert!(!is_active(&app, &tokens.refresh).await);
    let tokens = app.open_session("ada", "another phrase that nobody guesses").await;
    assert!(is_active(&api, &tokens.access).await);
    stack.operator().enable_user("ada", false).await.expect("there is such a user");
    assert!(!is_active(&api, &tokens.access).await);
    assert!(!is_active(&app, &tokens.refresh).await);
}

#[tokio::test]
async fn in_04_a_token_that_lies_unused_too_long_is_not_active() {
    let stack = Stack::builder().auth(|config| config.refresh_idle_lifetime = Duration::from_secs(1)).with_ada("editor").await;
    let app = stack.app("app").await;
    let tokens = app.open_session("ada", PASSWORD).await;

    tokio::time::sleep(Duration::from_secs(2)).await;

    assert_inactive(&app.introspect(&tokens.refresh).await);
}

#[tokio::test]
async fn in_05_nothing_keeps_an_answer() {
    let stack = Stack::with_ada("editor").await;
    let api = stack.introspecting_client().await;
    let token = stack.client().log_in("ada", PASSWORD).await;

    for answer in [api.introspect(&token).await, api.introspect("nonsense").await, api.introspect("").await] {
        answer.assert_never_stored().assert_hardened();
    }
}

#[tokio::test]
async fn in_06_an_answer_comes_as_a_jwt_to_those_who_ask_for_it() {
    let stack = Stack::with_ada("editor").await;
    let api = stack.introspecting_client().await;
    let token = stack.client().log_in("ada", PASSWORD).await;
    let as_jwt = |token: &str| api.request_at(INTROSPECT, &[("token", token)]).header("accept", JWT).send();

    let answer = as_jwt(&token).await;
    answer.assert_status(200).assert_never_stored();
    let claims = verified(&stack, &answer, "documents-api").await;
    assert_eq!(claims["token_introspection"], api.introspect(&token).await.assert_ok());
    assert!(claims["iat"].is_i64(), "{claims}");
    assert_eq!(claims.get("sub"), None, "RFC 9701 §5: it must not look like an access token");
    assert_eq!(claims.get("exp"), None, "RFC 9701 §5");

    let inactive = verified(&stack, &as_jwt("nonsense").await, "documents-api").await;
    assert_eq!(inactive["token_introspection"], json!({"active": false}));
}

#[tokio::test]
async fn in_06_an_answer_as_a_jwt_is_no_access_token() {
    let stack = Stack::with_ada("editor").await;
    let api = stack.introspecting_client().await;
    let token = stack.client().log_in("ada", PASSWORD).await;

    let answer = api.request_at(INTROSPECT, &[("token", &token)]).header("accept", JWT).send().await;

    stack.present(answer.text()).await.assert_invalid_token();
    stack.auth().http().get("/account").bearer(answer.text()).send().await.assert_invalid_token();
    assert_inactive(&api.introspect(answer.text()).await);
}

#[tokio::test]
async fn while_the_database_fails_nobody_is_told_that_a_token_is_dead() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let tokens = app.open_session("ada", PASSWORD).await;
    let database = stack.auth_home().database();

    database.run("ALTER TABLE revoked_status RENAME TO revoked_status_away", []).await;
    database.run("ALTER TABLE refresh_token RENAME TO refresh_token_away", []).await;
    let answers = [app.introspect(&tokens.access).await, app.introspect(&tokens.refresh).await];
    database.run("ALTER TABLE revoked_status_away RENAME TO revoked_status", []).await;
    database.run("ALTER TABLE refresh_token_away RENAME TO refresh_token", []).await;

    for answer in answers {
        answer.assert_oauth_error(503, "temporarily_unavailable");
    }
    assert_eq!(app.introspect(&tokens.access).await.assert_ok()["active"], true);
}
