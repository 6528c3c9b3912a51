//! What an access token says (RFC 9068 §2, RFC 7519).

use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use tests::{PASSWORD, Stack, jwt::Token};

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    since.as_secs().try_into().expect("it is not that late")
}

/// A.TE-16
#[tokio::test]
async fn jw_01_the_header_names_type_algorithm_and_key() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;

    let header = Token::read(&token).header;

    let keys = stack.auth().http().get("/.well-known/jwks.json").send().await.assert_ok();
    assert_eq!(json!(header), json!({"typ": "at+jwt", "alg": "RS256", "kid": keys["keys"][0]["kid"]}));
}

/// A.TE-16
#[tokio::test]
async fn jw_02_the_claims_of_rfc_9068_are_there() {
    let stack = Stack::start().await;
    let id = stack.user("ada", &["reader"]).await;
    let before = now();

    let claims = Token::read(&stack.client().log_in("ada", PASSWORD).await).claims;

    assert_eq!(claims["iss"], stack.auth().issuer());
    assert_eq!(claims["sub"], id);
    assert_eq!(claims["aud"], stack.resource().id());
    assert_eq!(claims["client_id"], "first-party");
    assert!(id.starts_with("usr_"), "no client can be called so: {id}");
    for name in ["iat", "nbf", "exp", "auth_time"] {
        assert!(claims[name].is_i64(), "`{name}` is an integer: {claims:?}");
    }
    assert!((before..=now()).contains(&claims["iat"].as_i64().expect("an integer")));
    assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|issued| issued + 600));
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() >= 22), "{claims:?}");
}

/// A.TE-17
#[tokio::test]
async fn jw_02_no_two_tokens_have_one_identifier() {
    let stack = Stack::with_ada("reader").await;

    let (mut identifiers, mut refresh_tokens) = (HashSet::new(), HashSet::new());
    for _ in 0..200 {
        let tokens = stack.client().open_session("ada", PASSWORD).await;
        let claims = Token::read(&tokens.access).claims;
        assert!(identifiers.insert(claims["jti"].to_string()), "{claims:?}");
        assert!(refresh_tokens.insert(tokens.refresh));
    }
}

#[tokio::test]
async fn jw_03_scope_roles_and_the_way_of_the_login_are_told() {
    let stack = Stack::start().await;

    let claims = Token::read(&stack.token_of("emil", &["editor", "reader"]).await).claims;

    assert_eq!(claims["scope"], "documents:read documents:write", "only what means something to the audience");
    assert_eq!(claims["roles"], json!(["editor", "reader"]));
    assert_eq!(claims["auth_time"], claims["iat"]);
    assert_eq!(claims["amr"], json!(["pwd"]));
}

#[tokio::test]
async fn jw_03_a_token_that_can_administer_lives_five_minutes_at_most() {
    let stack = Stack::start().await;

    let answer = stack.client().scope("admin:users").password("admin", tests::ADMIN_PASSWORD).await;

    assert_eq!(answer.assert_ok()["expires_in"], 300);
    let claims = Token::read(&answer.assert_tokens()).claims;
    assert_eq!((&claims["aud"], &claims["scope"]), (&stack.auth().issuer().into(), &"admin:users".into()));
}

#[tokio::test]
async fn jw_04_the_audience_follows_from_the_scope_or_is_the_clients_default() {
    let stack = Stack::with_ada("reader").await;
    let (issuer, resource) = (stack.auth().issuer(), stack.resource().id());

    for (scope, audience) in [(None, resource), (Some("documents:read"), resource), (Some("account"), issuer)] {
        let client = scope.map_or_else(|| stack.client(), |scope| stack.client().scope(scope));
        assert_eq!(Token::read(&client.log_in("ada", PASSWORD).await).claims["aud"], audience, "{scope:?}");
    }
    let both = stack.client().scope("account documents:read").password("ada", PASSWORD).await;
    both.assert_oauth_error(400, "invalid_scope");
}

/// A.TE-16
#[tokio::test]
async fn jw_05_a_token_says_nothing_else() {
    let stack = Stack::start().await;

    let claims = Token::read(&stack.token_of("wilhelmina", &["reader"]).await).claims;

    let known = HashSet::from([
        "iss",
        "sub",
        "aud",
        "client_id",
        "iat",
        "nbf",
        "exp",
        "jti",
        "scope",
        "roles",
        "auth_time",
        "amr",
        "acr",
        "status",
    ]);
    for name in claims.keys() {
        assert!(known.contains(name.as_str()), "`{name}`: {claims:?}");
    }
    assert!(!Value::from(claims).to_string().contains("wilhelmina"), "a username is nobody's business");
}

#[tokio::test]
async fn an_independent_library_verifies_it_with_the_published_keys() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;
    let keys = stack.auth().http().get("/.well-known/jwks.json").send().await;
    let keys: JwkSet = serde_json::from_slice(keys.body()).expect("a key set");

    let header = jsonwebtoken::decode_header(&token).expect("a header");
    let key = keys.find(&header.kid.expect("a key ID")).expect("the key is published");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[stack.auth().issuer()]);
    validation.set_audience(&[stack.resource().id()]);
    let verified = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(key).expect("a key"), &validation);

    assert_eq!(verified.expect("the token is good").claims["client_id"], "first-party");
}
