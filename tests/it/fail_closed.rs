//! When nothing can be put on record, nothing is changed; when nobody reads the log, nothing waits for it.

use std::time::Duration;

use serde_json::json;
use tests::{Answer, AuthProgram, PASSWORD, Stack, TestDatabase};
use tokio::time::timeout;

/// How long an answer may take; it only ends a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets nobody add to the audit trail.
async fn close_audit_trail(database: &TestDatabase) {
    let statements = if database.url().starts_with("postgres") {
        &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''read-only''; END'",
            "CREATE TRIGGER closed BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION refuse()",
        ][..]
    } else {
        &["CREATE TRIGGER closed BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'read-only'); END"]
    };
    for statement in statements {
        database.run(statement, []).await;
    }
}

async fn open_audit_trail(database: &TestDatabase) {
    let statement =
        if database.url().starts_with("postgres") { "DROP TRIGGER closed ON audit_event" } else { "DROP TRIGGER closed" };
    database.run(statement, []).await;
}

#[track_caller]
fn assert_put_off(answer: &Answer) {
    answer.assert_problem(503);
    assert!(answer.header("retry-after").is_some(), "{answer}");
}

#[tokio::test]
async fn a_fa_17_what_cannot_be_recorded_is_not_done() {
    let stack = Stack::start().await;
    let id = stack.user("ada", &["editor"]).await;
    let (http, client) = (stack.auth().http(), stack.client());
    let admin = stack.admin_token("admin:users admin:clients").await;
    let tokens = client.open_session("ada", PASSWORD).await;
    let database = stack.auth_home().database();
    let user = format!("/admin/users/{id}");
    let before = database.dump().await;

    close_audit_trail(database).await;
    for write in [
        http.post("/admin/users").json(&json!({"username": "eve", "password": PASSWORD})),
        http.put(&user).json(&json!({"state": "disabled"})),
        http.put(&format!("{user}/roles")).json(&json!({"roles": ["admin"]})),
        http.put(&format!("{user}/password")).json(&json!({"password": "another phrase that nobody guesses"})),
        http.delete(&format!("{user}/sessions")),
        http.delete(&user),
        http.post("/admin/roles").json(&json!({"name": "everything", "scopes": ["documents:read"]})),
        http.post("/admin/clients").json(&json!({"id": "backdoor", "kind": "confidential"})),
    ] {
        assert_put_off(&write.bearer(&admin).send().await);
    }
    client.refresh(&tokens.refresh).await.assert_oauth_error(503, "temporarily_unavailable");
    client.password("ada", PASSWORD).await.assert_oauth_error(503, "temporarily_unavailable");
    // What changes nothing goes on.
    http.get(&user).bearer(&admin).send().await.assert_ok();
    http.get("/.well-known/jwks.json").send().await.assert_ok();
    stack.present(&tokens.access).await.assert_ok();
    let mut after = database.dump().await;
    open_audit_trail(database).await;

    // The events from before may have got their numbers meanwhile, and blocks of places their leases.
    for table in before.keys().filter(|table| !table.starts_with("audit") && !table.starts_with("status")) {
        assert_eq!(after.remove(table).as_ref(), before.get(table), "{table}");
    }
    http.put(&user).bearer(&admin).json(&json!({"state": "active"})).send().await.assert_ok();
    client.next_tokens(&tokens.refresh).await;
}

#[tokio::test]
async fn a_fa_17_a_log_that_nobody_reads_holds_nothing_up() {
    let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await.setting("AUTH_LOG", "trace");
    let program = program.setting("AUTH_LOGIN_THROTTLE", "off");
    let process = timeout(PATIENCE, program.serve_unheard()).await.expect("it starts");

    // A pipe holds 64 KiB, and each of these requests is worth hundreds of lines.
    for _ in 0..60 {
        let answer = timeout(PATIENCE, process.client().public("nobody").password("ada", "wrong")).await;
        answer.expect("it is answered").assert_invalid_client();
    }

    process.http().get("/health/ready").send().await.assert_ok();
}
