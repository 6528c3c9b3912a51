//! Requests that are no good, at every operation that takes JSON: an answer that says so, and a service that goes on.

use serde_json::json;
use tests::{PASSWORD, ResourceHome, Stack};

/// A stack, and the access token of somebody who may write.
async fn stack_and_token() -> (Stack, String) {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    (stack, token)
}

#[tokio::test]
async fn json_that_is_none_is_a_bad_request() {
    let (stack, token) = stack_and_token().await;
    let good = json!({"title": "x", "content": ""}).to_string();

    for body in [
        "",
        " ",
        "{",
        "}",
        "[",
        "nul",
        "{\"title\":}",
        "{'title':'x','content':''}",
        "{\"title\":\"x\",\"content\":\"\",}",
        "{\"title\":\"x\" \"content\":\"\"}",
        "{\"title\":\"x\",\"content\":\"\"}{}",
        "{\"title\":NaN,\"content\":\"\"}",
        "{\"title\":1e400,\"content\":\"\"}",
        "{\"title\":18446744073709551616,\"content\":\"\"}",
        "{\"title\":-0,\"content\":\"\"}",
        "{\"title\":\"\\ud800\",\"content\":\"\"}",
        "{\"title\":\"\\q\",\"content\":\"\"}",
        "{\"title\":\"a\u{0}b\",\"content\":\"\"}",
        "{\"title\":\"x\",\"content\":\"\\u0000\"}",
        "{\"ti\\u0000tle\":\"x\",\"content\":\"\"}",
        "\u{feff}{\"title\":\"x\",\"content\":\"\"}",
    ] {
        let answer = stack.api().post("/documents").bearer(&token).body("application/json", body).send().await;
        answer.assert_problem(400);
    }
    for broken in [
        &b"{\"title\":\"\xff\",\"content\":\"\"}"[..],
        b"{\"title\":\"\xc0\xaf\",\"content\":\"\"}",
        b"\xff\xfe{\0}\0",
        b"{\"title\":\"\xed\xa0\x80\",\"content\":\"\"}",
    ] {
        stack.api().post("/documents").bearer(&token).body("application/json", broken).send().await.assert_problem(400);
    }
    stack.api().post("/documents").bearer(&token).body("application/json", good).send().await.assert_status(201);
}

#[tokio::test]
async fn a_repeated_member_is_not_silently_picked() {
    let (stack, token) = stack_and_token().await;

    let answer = stack
        .api()
        .post("/documents")
        .bearer(&token)
        .body("application/json", r#"{"title":"a","title":"b","content":""}"#)
        .send()
        .await;

    answer.assert_problem(400);
}

#[tokio::test]
async fn json_that_is_deep_or_wide_exhausts_nothing() {
    let (stack, token) = stack_and_token().await;
    let wide = (0..5_000).map(|number| format!("\"k{number}\":1,")).collect::<Vec<_>>().concat();

    for body in [
        "[".repeat(30_000),
        "{\"a\":".repeat(10_000),
        format!("{{\"title\":{}{},\"content\":\"\"}}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("{{{wide}\"title\":\"x\",\"content\":\"\"}}"),
        format!("{{\"title\":\"{}!\",\"content\":\"\"}}", "a".repeat(50_000)),
    ] {
        let answer = stack.api().post("/documents").bearer(&token).body("application/json", body).send().await;
        assert!(matches!(answer.status(), 400 | 413 | 422), "{answer}");
        answer.assert_problem(answer.status());
    }
    for body in ["x".repeat(1 << 20), "[".repeat(100_000)] {
        stack.api().post("/documents").bearer(&token).body("application/json", body).send().await.assert_problem(413);
    }
    stack.api().get("/me").bearer(&token).send().await.assert_ok();
}

#[tokio::test]
async fn a_body_of_another_media_type_is_not_read() {
    let (stack, token) = stack_and_token().await;
    let body = json!({"title": "x", "content": ""}).to_string();
    let post = || stack.api().post("/documents").bearer(&token);

    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "nonsense",
    ] {
        post().body(media_type, &body).send().await.assert_problem(415);
    }
    let untyped = post().bare_body(&body).send().await;
    assert!(matches!(untyped.status(), 400 | 415), "{untyped}");
    post().body("application/json; charset=utf-8", &body).send().await.assert_status(201);
}

#[tokio::test]
async fn a_nul_character_is_refused_wherever_it_stands() {
    let (stack, token) = stack_and_token().await;

    for path in [
        "/documents/%00",
        "/documents/doc_%00",
        "/documents?cursor=%00",
        "/documents?owner=a%00b",
        "/documents?unknown=%00",
        "/me?%00",
    ] {
        let answer = stack.api().get(path).bearer(&token).send().await;
        assert!(matches!(answer.status(), 400 | 404), "{answer}");
    }
    let account = stack.client().scope("account").log_in("emil", PASSWORD).await;
    stack.auth().http().get("/account?x=%00").bearer(&account).send().await.assert_problem(400);
}

#[tokio::test]
async fn what_looks_like_sql_is_text() {
    let (stack, token) = stack_and_token().await;
    let hostile = [
        "' OR '1'='1",
        "'; DROP TABLE document; --",
        "\" OR \"\"=\"",
        "1; SELECT pg_sleep(10)",
        "%' --",
        "\\'; --",
        "$1",
        "?1",
        "{}",
    ];

    for text in hostile {
        let created = stack.api().post("/documents").bearer(&token).json(&json!({"title": text, "content": text})).send().await;
        assert_eq!(created.assert_status(201).json()["title"], text);
        stack.client().password(text, text).await.assert_oauth_error(400, "invalid_grant");
        stack.client().public(text).password("emil", PASSWORD).await.assert_invalid_client();
        stack.client().scope(text).password("emil", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
        stack.client().resource(text).password("emil", PASSWORD).await.assert_oauth_error(400, "invalid_target");
    }
    let page = stack.api().get("/documents?limit=100").bearer(&token).send().await.assert_ok();
    assert_eq!(page["documents"].as_array().map(Vec::len), Some(hostile.len()));
}

/// A.CH-15.
#[tokio::test]
async fn an_error_shows_nothing_of_the_inside() {
    let (stack, token) = stack_and_token().await;
    let home = ResourceHome::new().await;
    let lonely = home.start(stack.auth_url(), |config| {
        config.issuer_connect_to = Some("127.0.0.1:1".to_owned());
        config.id = Some(stack.resource().id().to_owned());
    });
    let lonely = lonely.await.expect("it starts without its issuer");
    let api = stack.api();

    for call in [
        api.post("/documents").bearer(&token).body("application/json", "{"),
        api.post("/documents").bearer(&token).json(&json!({"title": {"canary": 1}, "content": ""})),
        api.post("/documents").bearer(&token).json(&json!({"canary": "canary", "title": "x", "content": ""})),
        api.get("/documents?limit=canary").bearer(&token),
        api.get("/documents/canary").bearer(&token),
        api.get("/canary"),
        api.request("PATCH", "/documents").bearer(&token),
        api.post("/documents").bearer(&token).body("text/canary", "canary"),
        api.post("/documents").bearer(&token).body("application/json", "canary".repeat(1 << 16)),
        api.get("/me").header("x-canary", "canary".repeat(1 << 12)),
        lonely.http().get("/documents").bearer(&token),
        stack.auth().http().post("/admin/users").bearer(&token).body("application/json", "canary"),
        stack.auth().http().get("/admin/users/canary"),
    ] {
        let path = call.url();
        let answer = call.send().await;
        answer.assert_problem(answer.status());
        let body = answer.text();
        for inside in
            ["canary", "panicked", "serde", "sqlx", "sea_orm", "SELECT", "DocumentText", "poem", "src/", "stack backtrace", "::"]
        {
            assert!(!body.contains(inside), "`{inside}` in the answer to {path}:\n{body}");
        }
    }
}
