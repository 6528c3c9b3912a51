//! Whoever alters the audit trail in the database itself is found out, with the event's number.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tests::{PASSWORD, Stack, TestDatabase, jwt};

use crate::command_line::auth;

/// A stack with a sealed trail and a checkpoint over it.
async fn sealed() -> Stack {
    let stack = Stack::with_ada("reader").await;
    for _ in 0..5 {
        stack.client().log_in("ada", PASSWORD).await;
    }
    stack.operator().seal_audit().await.expect("it can be sealed");
    stack
}

async fn findings(stack: &Stack) -> Vec<String> {
    stack.operator().verify_audit().await.expect("it can be verified")
}

fn names(findings: &[String], event: i64) -> bool {
    findings.iter().any(|finding| finding.starts_with(&format!("event {event}: ")))
}

#[tokio::test]
async fn a_trail_that_nobody_touched_holds() {
    let stack = sealed().await;

    assert_eq!(findings(&stack).await, [] as [String; 0]);

    let said = auth(stack.auth_home(), &["audit", "verify"], "").await;
    assert!(said.done().contains("checkpoints vouch up to"), "{said:?}");
}

#[tokio::test]
async fn one_edited_field_is_found_with_the_events_number() {
    let stack = sealed().await;

    for column in ["subject", "outcome", "ip", "reason", "actor", "client_id", "request_id", "detail", "action"] {
        let row = stack.auth_home().database().row(&format!("SELECT {column} AS text FROM audit_event WHERE seq = 4")).await;
        let before: Option<String> = row.try_get("", "text").expect("a text");
        let edit = format!("UPDATE audit_event SET {column} = $1 WHERE seq = 4");
        stack.auth_home().database().run(&edit, ["somebody else".into()]).await;
        let found = findings(&stack).await;
        assert!(names(&found, 4) && found.len() == 1, "{column}: {found:?}");
        stack.auth_home().database().run(&edit, [before.into()]).await;
    }
    stack.auth_home().database().run("UPDATE audit_event SET at = at + 1 WHERE seq = 4", []).await;

    assert!(names(&findings(&stack).await, 4));
    let said = auth(stack.auth_home(), &["audit", "verify"], "").await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("event 4: "), "{said:?}");
    let json = auth(stack.auth_home(), &["audit", "verify", "--output", "json"], "").await.json();
    assert_eq!((&json["good"], &json["report"]["findings"][0]["event"]), (&json!(false), &json!(4)));
}

#[tokio::test]
async fn a_deletion_is_found_in_the_middle_at_the_beginning_and_at_the_end() {
    for (sql, event) in [
        ("DELETE FROM audit_event WHERE seq = 5", 5),
        ("DELETE FROM audit_event WHERE seq <= 3", 1),
        ("DELETE FROM audit_event WHERE seq >= 6", 6),
    ] {
        let stack = sealed().await;
        stack.auth_home().database().run(sql, []).await;
        let found = findings(&stack).await;
        assert!(names(&found, event), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn a_deletion_stays_found_after_more_has_happened() {
    let stack = sealed().await;
    stack.auth_home().database().run("DELETE FROM audit_event WHERE seq = 5", []).await;

    stack.client().log_in("ada", PASSWORD).await;
    stack.operator().seal_audit().await.expect("it can be sealed");

    assert!(names(&findings(&stack).await, 5));
}

#[tokio::test]
async fn two_events_that_changed_places_are_found() {
    let stack = sealed().await;
    let database = stack.auth_home().database();

    for (from, to) in [(4, -1), (6, 4), (-1, 6)] {
        database.run("UPDATE audit_event SET seq = $1 WHERE seq = $2", [to.into(), from.into()]).await;
    }

    let found = findings(&stack).await;
    assert!(names(&found, 4) && names(&found, 6), "{found:?}");
}

#[tokio::test]
async fn a_chain_that_was_computed_anew_is_found_by_the_checkpoint() {
    let stack = sealed().await;
    let database = stack.auth_home().database();

    database.run("UPDATE audit_event SET subject = $1 WHERE seq = 3", ["somebody else".into()]).await;
    compute_anew(database).await;

    let found = findings(&stack).await;
    assert!(!found.is_empty() && found.iter().all(|finding| finding.contains("a signed checkpoint says")), "{found:?}");
}

#[tokio::test]
async fn a_checkpoint_cannot_be_made_by_whoever_only_has_the_database() {
    let stack = sealed().await;
    let database = stack.auth_home().database();
    database.run("UPDATE audit_event SET subject = $1 WHERE seq = 3", ["somebody else".into()]).await;
    compute_anew(database).await;

    // The statement is brought in line with the chain; its signature and its tag cannot be.
    let forged = "UPDATE audit_checkpoint SET hash = (SELECT hash FROM audit_chain) WHERE seq = (SELECT seq FROM audit_chain)";
    database.run(forged, []).await;

    let found = findings(&stack).await;
    assert!(found.iter().any(|finding| finding.contains("not signed by this issuer")), "{found:?}");
}

#[tokio::test]
async fn logins_at_once_all_get_a_number_of_their_own() {
    let stack = Stack::with_ada("reader").await;
    let client = stack.client();
    let logins = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.log_in("ada", PASSWORD).await })
    });
    for login in logins.collect::<Vec<_>>() {
        login.await.expect("it succeeds");
    }
    // The service seals by itself at the same time.
    stack.operator().seal_audit().await.expect("it can be sealed");

    assert_eq!(findings(&stack).await, [] as [String; 0]);
    let unsealed = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE seq IS NULL").await;
    assert!(unsealed.is_empty(), "{} are not sealed", unsealed.len());
}

/// What somebody would do who can write to the database and has read how the chain is made.
async fn compute_anew(database: &TestDatabase) {
    let rows = database.rows("SELECT * FROM audit_event WHERE seq IS NOT NULL ORDER BY seq").await;
    let mut hash = String::new();
    for row in rows {
        let seq: i64 = row.try_get("", "seq").expect("a number");
        let at: i64 = row.try_get("", "at").expect("a number");
        let text = |column: &str| -> Value { json!(row.try_get::<Option<String>>("", column).expect("a text")) };
        let fields = ["action", "outcome", "reason", "actor", "subject", "client_id", "ip", "request_id", "detail"].map(text);
        let mut array = vec![json!(hash), json!(seq), text("id"), json!(at)];
        array.extend(fields);
        hash = jwt::encode(digest(&SHA256, Value::Array(array).to_string().as_bytes()));
        database.run("UPDATE audit_event SET hash = $1 WHERE seq = $2", [hash.clone().into(), seq.into()]).await;
    }
    database.run("UPDATE audit_chain SET hash = $1", [hash.into()]).await;
}
