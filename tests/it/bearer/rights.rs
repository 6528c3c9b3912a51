//! What a good token does not allow: another API, another scope, another role, another way to the same path.

use serde_json::{Value, json};
use tests::{Answer, Call, Http, OpenApi, PASSWORD, Stack, jwt::Token, wire};

use super::assert_tells_where_to_learn_more;

/// A.JV-13
#[tokio::test]
async fn a_token_of_the_issuers_own_api_is_worth_nothing_elsewhere_and_the_other_way_round() {
    let stack = Stack::start().await;
    let documents = stack.token_of("ada", &["reader"]).await;
    let account = stack.client().scope("account").log_in("ada", PASSWORD).await;

    stack.api().get("/me").bearer(&account).send().await.assert_invalid_token();
    stack.auth().http().get("/account").bearer(&documents).send().await.assert_invalid_token();
    stack.api().get("/me").bearer(&documents).send().await.assert_ok();
    stack.auth().http().get("/account").bearer(&account).send().await.assert_ok();
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let stack = Stack::start().await;
    let reader = stack.token_of("ada", &["reader"]).await;

    let answer = stack.api().post("/documents").bearer(&reader).json(&json!({"title": "x", "content": ""})).send().await;

    let challenge = answer.assert_challenge(403, Some("insufficient_scope"));
    assert_eq!(challenge.attribute("scope"), Some("documents:write"));
    assert_tells_where_to_learn_more(&challenge, &stack);
}

#[tokio::test]
async fn a_missing_role_is_refused_even_with_the_scope() {
    let stack = Stack::start().await;
    let key = stack.auth_home().signing_key().await;
    let token = Token::read(&stack.token_of("ada", &["reader"]).await);
    let all = token.claim("scope", "documents:admin documents:read documents:write");

    for roles in [json!([]), json!(["reader", "editor"]), json!(["ADMIN"]), json!(["admin "]), json!(["administrator"])] {
        let answer = stack.api().get("/admin/documents").bearer(&all.clone().claim("roles", roles).sign(&key)).send().await;
        answer.assert_challenge(403, Some("insufficient_scope"));
    }
    stack.api().get("/admin/documents").bearer(&all.claim("roles", json!(["admin"])).sign(&key)).send().await.assert_ok();
}

#[tokio::test]
async fn a_role_is_refused_without_the_scope() {
    let stack = Stack::start().await;
    let narrow = stack.client().scope("documents:read").log_in("admin", tests::ADMIN_PASSWORD).await;

    let answer = stack.api().get("/admin/documents").bearer(&narrow).send().await;

    let challenge = answer.assert_challenge(403, Some("insufficient_scope"));
    assert_eq!(challenge.attribute("scope"), Some("documents:admin"));
}

#[tokio::test]
async fn every_operation_that_the_documents_call_guarded_is_guarded() {
    let stack = Stack::start().await;
    let account = stack.client().scope("account").log_in("admin", tests::ADMIN_PASSWORD).await;
    let documents = stack.client().log_in("admin", tests::ADMIN_PASSWORD).await;

    let mut tried = 0;
    for (http, foreign) in [(stack.api(), &account), (stack.auth().http(), &documents)] {
        for call in guarded_operations(http).await {
            call.clone().send().await.assert_no_credentials();
            call.clone().bearer("eyJ.eyJ.x").send().await.assert_invalid_token();
            call.bearer(foreign).send().await.assert_invalid_token();
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried} operations");
}

/// A request for each operation of a service's document that asks for an access token.
async fn guarded_operations(http: &Http) -> Vec<Call> {
    let operations = OpenApi::of(http).await.operations();
    let guarded = operations.iter().filter(|operation| operation.scopes().is_some());
    guarded.map(|operation| http.request(&operation.method, &operation.path_with("x"))).collect()
}

/// A.JV-27
#[tokio::test]
async fn a_path_that_only_looks_like_the_guarded_one_leads_nowhere() {
    let stack = Stack::start().await;
    let reader = stack.token_of("ada", &["reader"]).await;

    for path in [
        "//admin/documents",
        "/ADMIN/documents",
        "/admin%2fdocuments",
        "/./admin/documents",
        "/x/../admin/documents",
        "/admin;x/documents",
        "/admin/documents;x",
        "/admin/documents/",
        "/admin//documents",
        "/%61dmin/documents",
        "/admin/documents%20",
        "/admin/documents%00",
        "/..;/admin/documents",
        "/%2e%2e/admin/documents",
        "/.%252e/admin/documents",
    ] {
        for method in ["GET", "POST"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {reader}\r\nX-HTTP-Method-Override: GET\r\n\
                 X-Original-URL: /admin/documents\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let answer = wire::send(stack.api(), request).await;
            assert!(matches!(wire::status(&answer), Some(400 | 403 | 404 | 405)), "{method} {path}\n{answer}");
        }
    }
}

/// A.JV-22
#[tokio::test]
async fn roles_of_another_shape_make_nobody_an_administrator() {
    let stack = Stack::start().await;
    let key = stack.auth_home().signing_key().await;
    let token = Token::read(&stack.token_of("ada", &["reader"]).await).claim("scope", "documents:admin");
    let present = |roles: Value| {
        let token = token.clone().claim("roles", roles).sign(&key);
        stack.api().get("/admin/documents").bearer(&token).send()
    };

    for roles in [json!("admin"), json!({"admin": true}), json!([null]), json!([["admin"]]), json!([{"name": "admin"}]), json!(1)]
    {
        let answer: Answer = present(roles).await;
        answer.assert_invalid_token();
    }
    present(json!(null)).await.assert_invalid_token();
    let many: Vec<_> = (0..700).map(|number| format!("r{number}")).collect();
    assert!(matches!(present(json!(many)).await.status(), 401 | 403 | 431));
}
