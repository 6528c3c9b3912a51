//! Roles, as administrators manage them over HTTP.

use serde_json::json;
use tests::{PASSWORD, Stack, Tokens, jwt::Token};

async fn stack_and_token() -> (Stack, String) {
    let stack = Stack::builder().prompt().start().await;
    let token = stack.admin_token("admin:users").await;
    (stack, token)
}

#[tokio::test]
async fn a_role_is_created_read_changed_and_deleted() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    let new = json!({"name": "auditor", "scopes": ["documents:read", "admin:audit", "documents:read"]});

    let created = http.post("/admin/roles").bearer(&token).json(&new).send().await;
    created.assert_status(201).assert_hardened();
    let path = created.header("location").expect("a location").to_owned();
    assert_eq!(path, "/admin/roles/auditor");
    assert_eq!(created.json()["scopes"], json!(["admin:audit", "documents:read"]));
    http.post("/admin/roles").bearer(&token).json(&new).send().await.assert_problem(409);
    let read = http.get(&path).bearer(&token).send().await;
    assert_eq!((read.assert_ok(), read.header("etag")), (created.json(), created.header("etag")));

    let scopes = json!({"scopes": ["documents:read"]});
    let put = |tag: &str| http.put(&path).bearer(&token).header("if-match", tag).json(&scopes).send();
    assert_eq!(put("\"1\"").await.assert_ok()["scopes"], json!(["documents:read"]));
    put("\"1\"").await.assert_problem(412);
    http.delete(&path).bearer(&token).header("if-match", "\"1\"").send().await.assert_problem(412);
    http.delete(&path).bearer(&token).header("if-match", "\"2\"").send().await.assert_status(204);
    http.get(&path).bearer(&token).send().await.assert_problem(404);
    for action in ["role.create", "role.change", "role.delete"] {
        assert_eq!(stack.recorded(action, "ok", None).await, 1, "{action}");
    }
}

#[tokio::test]
async fn roles_come_in_pages_by_name() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();

    let first = http.get("/admin/roles?limit=2").bearer(&token).send().await;
    let next = first.header("link").expect("there are three").trim_start_matches('<').split('>').next().expect("a URL");
    let second = http.get(next).bearer(&token).send().await;

    let names = |page: serde_json::Value| {
        page["roles"].as_array().expect("a list").iter().map(|role| role["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(first.assert_ok()), names(second.assert_ok())),
        (vec![json!("admin"), json!("editor")], vec![json!("reader")])
    );
    assert_eq!(second.header("link"), None);
}

#[tokio::test]
async fn what_cannot_be_a_role_is_refused_with_the_field() {
    let (stack, token) = stack_and_token().await;

    for (body, status, field) in [
        (json!({"name": "", "scopes": []}), 400, "name"),
        (json!({"name": "a b", "scopes": []}), 422, "name"),
        (json!({"name": "rôle", "scopes": []}), 422, "name"),
        (json!({"name": "x", "scopes": ["unheard-of"]}), 403, ""),
        (json!({"name": "x", "scopes": ["documents:read documents:write"]}), 422, "scopes"),
        (json!({"name": "x", "scopes": [], "created_at": "now"}), 400, "created_at"),
    ] {
        let answer = stack.auth().http().post("/admin/roles").bearer(&token).json(&body).send().await;
        answer.assert_problem(status);
        let named = answer.json()["errors"][0]["field"].as_str().unwrap_or_default().to_owned();
        assert_eq!(named, field, "{answer}");
    }
}

#[tokio::test]
async fn holders_of_a_changed_role_follow_at_the_next_refresh_or_lose_everything_at_once() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    stack.user("ada", &["editor"]).await;
    stack.user("rob", &["reader"]).await;
    let others = stack.client().open_session("rob", PASSWORD).await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;
    let put = |query: &str, scope: &str| {
        let body = json!({"scopes": [scope]});
        http.put(&format!("/admin/roles/editor{query}")).bearer(&token).json(&body).send()
    };

    put("", "documents:read").await.assert_ok();
    let tokens = Tokens::of(&stack.client().refresh(&tokens.refresh).await);
    assert_eq!(Token::read(&tokens.access).claims["scope"], "documents:read");

    put("?revoke=now", "documents:write").await.assert_ok();
    stack.client().refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&tokens.access).await;
    stack.present(&others.access).await.assert_ok();

    let tokens = stack.client().open_session("ada", PASSWORD).await;
    http.delete("/admin/roles/editor").bearer(&token).send().await.assert_status(204);
    stack.client().refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
}
