//! What a caller sees of the guard: status, challenge, body.
#![expect(clippy::unused_async, clippy::needless_pass_by_value, reason = "handlers look like that")]

use std::{sync::Arc, time::Duration};

use poem::{
    EndpointExt, Route,
    endpoint::BoxEndpoint,
    get, handler,
    http::{
        Method,
        header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use poem_openapi::{OAuthScopes, OpenApi, OpenApiService, SecurityScheme, payload::PlainText};
use serde_json::{Value, json};

use super::*;
use crate::access_token::{
    KeySet,
    testing::{SigningKey, claims, now, verifier},
};

#[derive(OAuthScopes)]
enum ApiScope {
    /// Read documents
    #[oai(rename = "documents:read")]
    DocumentsRead,
    /// Delete documents
    #[oai(rename = "documents:delete")]
    DocumentsDelete,
}

/// An access token.
#[derive(SecurityScheme)]
#[oai(
    rename = "OAuth2",
    ty = "oauth2",
    checker = "authenticate",
    flows(password(token_url = "/oauth2/token", scopes = "ApiScope"))
)]
struct Authenticated(Caller);

struct Api;

#[OpenApi]
impl Api {
    /// Who calls
    #[oai(path = "/subject", method = "get")]
    async fn subject(&self, #[oai(scope = "ApiScope::DocumentsRead")] caller: Authenticated) -> poem::Result<PlainText<String>> {
        caller.0.require("documents:read")?;
        Ok(PlainText(caller.0.subject().to_owned()))
    }

    /// For administrators
    #[oai(path = "/admin", method = "get")]
    async fn admin(&self, caller: Authenticated) -> poem::Result<PlainText<&'static str>> {
        caller.0.require_role("admin")?;
        Ok(PlainText("welcome"))
    }

    /// For those who may write
    #[oai(path = "/write", method = "get")]
    async fn write(&self, caller: Authenticated) -> poem::Result<PlainText<&'static str>> {
        caller.0.require_all(&["documents:read", "documents:write"])?;
        Ok(PlainText("written"))
    }

    /// Not to be undone
    #[oai(path = "/destroy", method = "get")]
    async fn destroy(&self, caller: Authenticated) -> poem::Result<PlainText<&'static str>> {
        caller.0.require_login_within(Duration::from_mins(5))?;
        Ok(PlainText("destroyed"))
    }
}

#[handler]
fn plain(caller: Caller) -> String {
    caller.client_id().to_owned()
}

const METADATA: &str = "https://api.example/.well-known/oauth-protected-resource";
const BARE: &str = "Bearer realm=\"api\", resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\"";

fn key() -> SigningKey {
    SigningKey::new("key-1", 0)
}

fn app() -> BoxEndpoint<'static, Response> {
    let (verifier, _) = verifier(&[&key()]);
    app_with(verifier)
}

fn app_with(verifier: AccessTokenVerifier) -> BoxEndpoint<'static, Response> {
    let routes = Route::new().nest("/", OpenApiService::new(Api, "Test", "1")).at("/plain", get(plain));
    Guard::new(verifier, "api", Some(METADATA.into())).protect(routes).boxed()
}

fn request(path: &str, credentials: &[&str]) -> Request {
    let builder = Request::builder().uri(path.parse().unwrap());
    credentials.iter().fold(builder, |builder, value| builder.header(AUTHORIZATION, *value)).finish()
}

async fn ask(path: &str, credentials: &[&str]) -> Response {
    app().get_response(request(path, credentials)).await
}

fn bearer(changes: Value) -> String {
    format!("Bearer {}", key().token(&claims(changes)))
}

fn challenge(answer: &Response) -> &str {
    let mut challenges = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenge = challenges.next().map_or("", |value| value.to_str().unwrap());
    assert!(challenges.next().is_none(), "one header field");
    challenge
}

#[tokio::test]
async fn a_good_token_lets_its_caller_in() {
    for (path, expected) in [("/subject", "usr_1"), ("/plain", "first-party")] {
        let answer = ask(path, &[&bearer(json!({}))]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.into_body().into_string().await.unwrap(), expected);
    }
    assert_eq!(ask("/subject", &[&bearer(json!({})).replace("Bearer", "bEaReR")]).await.status(), 200);
}

#[tokio::test]
async fn without_credentials_there_is_a_challenge_without_error() {
    for path in ["/subject", "/plain", "/subject?access_token=a.b.c"] {
        for credentials in [&[][..], &["Basic YTpi"]] {
            let answer = ask(path, credentials).await;
            assert_eq!((answer.status().as_u16(), challenge(&answer)), (401, BARE), "A.JV-01, A.JV-23: {path} {credentials:?}");
        }
    }
}

#[tokio::test]
async fn malformed_credentials_are_an_invalid_request() {
    let good = bearer(json!({}));
    let double = [good.as_str(), good.as_str()];
    let spaced = good.replacen(' ', "  ", 1);
    let rows: [(&str, &[&str]); 6] = [
        ("/subject", &double),
        ("/subject", &["Bearer"]),
        ("/subject", &["Bearer a,b"]),
        ("/subject", &["Basic YTpi", &good]),
        ("/subject", &[&spaced]),
        ("/subject?access_token=x", &[&good]),
    ];
    for (path, credentials) in rows {
        let answer = ask(path, credentials).await;
        assert_eq!(answer.status(), 400, "A.JV-24: {path} {credentials:?}");
        assert!(challenge(&answer).starts_with("Bearer realm=\"api\", error=\"invalid_request\""));
    }
}

#[tokio::test]
async fn a_bad_token_is_an_invalid_token_and_the_body_is_a_problem() {
    let expired = bearer(json!({ "exp": now() - 100, "iat": now() - 200, "nbf": null }));
    for (credentials, code) in [(expired.as_str(), "expired"), ("Bearer a.b.c", "malformed"), ("Bearer a=b", "malformed")] {
        let answer = ask("/subject", &[credentials]).await;
        assert_eq!(answer.status(), 401);
        assert!(challenge(&answer).starts_with("Bearer realm=\"api\", error=\"invalid_token\", error_description=\""));
        assert!(challenge(&answer).ends_with(&format!("resource_metadata=\"{METADATA}\"")));
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_slice(&answer.into_body().into_vec().await.unwrap()).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!(code)));
    }
}

#[tokio::test]
async fn too_little_scope_or_a_missing_role_is_forbidden() {
    let answer = ask("/subject", &[&bearer(json!({ "scope": "account" }))]).await;
    assert_eq!(answer.status(), 403);
    assert!(challenge(&answer).contains("error=\"insufficient_scope\""));
    assert!(challenge(&answer).contains(", scope=\"documents:read\""));
    let answer = ask("/write", &[&bearer(json!({}))]).await;
    assert!(challenge(&answer).contains(", scope=\"documents:read documents:write\""));
    for roles in [json!([]), json!(["ADMIN"]), json!(["admin "])] {
        let answer = ask("/admin", &[&bearer(json!({ "roles": roles }))]).await;
        assert_eq!(answer.status(), 403, "A.JV-22");
        assert!(challenge(&answer).contains("error=\"insufficient_scope\""));
        assert!(!challenge(&answer).contains(" scope="));
    }
    assert_eq!(ask("/admin", &[&bearer(json!({ "roles": ["reader", "admin"] }))]).await.status(), 200);
}

#[tokio::test]
async fn an_old_login_calls_for_another() {
    for auth_time in [json!(null), json!(now() - 301)] {
        let answer = ask("/destroy", &[&bearer(json!({ "auth_time": auth_time }))]).await;
        assert_eq!(answer.status(), 401);
        assert!(challenge(&answer).contains("error=\"insufficient_user_authentication\""));
        assert!(challenge(&answer).contains(", max_age=\"300\""));
    }
    assert_eq!(ask("/destroy", &[&bearer(json!({ "auth_time": now() - 290 }))]).await.status(), 200);
}

#[tokio::test]
async fn without_keys_the_fault_is_ours() {
    let (verifier, keys) = verifier(&[&key()]);
    keys.store(Arc::<KeySet>::default());
    let answer = app_with(verifier).get_response(request("/subject", &[&bearer(json!({}))])).await;
    assert_eq!((answer.status().as_u16(), challenge(&answer)), (503, ""));
    assert_eq!(answer.headers()[RETRY_AFTER], "5");
}

#[tokio::test]
async fn without_a_guard_nobody_gets_in() {
    let route = Route::new().nest("/", OpenApiService::new(Api, "Test", "1"));
    let answer = route.get_response(request("/subject", &[&bearer(json!({}))])).await;
    assert_eq!(answer.status(), 500);
}

#[tokio::test]
async fn what_the_document_says_is_enforced() {
    struct Enforced;
    #[OpenApi]
    impl Enforced {
        /// Read one
        #[oai(path = "/documents/:id", method = "get")]
        async fn read(
            &self,
            #[oai(scope = "ApiScope::DocumentsRead")] _caller: Authenticated,
            id: poem_openapi::param::Path<String>,
        ) -> PlainText<String> {
            PlainText(id.0)
        }

        /// Anybody with a token
        #[oai(path = "/documents", method = "get")]
        async fn list(&self, _caller: Authenticated) -> PlainText<&'static str> {
            PlainText("list")
        }

        /// Read one and delete it
        #[oai(path = "/documents/:id", method = "delete")]
        async fn delete(
            &self,
            #[oai(scope = "ApiScope::DocumentsRead", scope = "ApiScope::DocumentsDelete")] _caller: Authenticated,
            id: poem_openapi::param::Path<String>,
        ) -> PlainText<String> {
            PlainText(id.0)
        }
    }
    let (verifier, _) = verifier(&[&key()]);
    let service = OpenApiService::new(Enforced, "Test", "1");
    let document = service.spec();
    let guard = Guard::new(verifier, "api", None).enforcing(&document).unwrap();
    let app = guard.clone().protect(Route::new().nest("/", service));
    let ask = async |method: Method, path, scope| {
        let mut request = request(path, &[&bearer(json!({ "scope": scope }))]);
        request.set_method(method);
        app.get_response(request).await
    };
    for (method, path, scope, status) in [
        (Method::GET, "/documents/1", "documents:read", 200),
        (Method::HEAD, "/documents/1", "documents:read", 200),
        (Method::GET, "/documents/1", "account", 403),
        (Method::HEAD, "/documents/1", "account", 403),
        (Method::GET, "/documents", "", 200),
        (Method::DELETE, "/documents/1", "documents:read documents:delete", 200),
        (Method::DELETE, "/documents/1", "documents:read", 403),
    ] {
        assert_eq!(ask(method.clone(), path, scope).await.status(), status, "{method} {path} {scope}");
    }
    let answer = ask(Method::DELETE, "/documents/1", "account").await;
    assert!(challenge(&answer).contains("scope=\"documents:delete documents:read\""));
    // An operation that the document does not have lets nobody in.
    let app = guard.protect(Route::new().nest("/", OpenApiService::new(Api, "Test", "1")));
    assert_eq!(app.get_response(request("/subject", &[&bearer(json!({}))])).await.status(), 500);
}

#[tokio::test]
async fn other_errors_are_left_to_others() {
    let error = app().call(request("/nowhere", &[])).await.unwrap_err();
    assert_eq!(error.status(), 404);
}
