//! A deployment moves from SQLite to PostgreSQL and back, and nobody notices.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use auth_service::NewApiKey;
use secrecy::ExposeSecret;
use shared::server::listener::Listener;
use tests::{AuthHome, AuthServer, PASSWORD, PostgresqlServer};

use crate::command_line::{Said, auth};

/// Moves the master key, which is not in an export.
fn move_master_key(from: &AuthHome, to: &AuthHome) {
    fs::copy(from.directory().join("master.key"), to.directory().join("master.key")).expect("the key is there");
}

async fn export(home: &AuthHome, file: &Path) -> Said {
    auth(home, &["export", file.to_str().expect("a path")], "").await
}

async fn import(home: &AuthHome, file: &Path) -> Said {
    auth(home, &["import", file.to_str().expect("a path")], "").await
}

async fn start(home: &AuthHome, issuer: &str) -> AuthServer {
    let port: u16 = issuer.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the issuer has a port");
    let listener = Listener::bind(("127.0.0.1", port)).await.expect("the port is free again");
    home.start_behind(listener, |_| {}).await.expect("it starts")
}

/// Everything in a database but what moving it adds: one record.
async fn content(home: &AuthHome) -> std::collections::BTreeMap<String, usize> {
    let mut rows: std::collections::BTreeMap<_, _> =
        home.database().dump().await.into_iter().map(|(table, rows)| (table, rows.len())).collect();
    rows.retain(|table, _| !table.starts_with("audit_") && table != "seaql_migrations" && table != "sqlite_sequence");
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_sessions_and_keys_outlive_a_move_to_postgresql_and_back() {
    let Some(server) = PostgresqlServer::start() else { return };
    let (old, new, back) = (AuthHome::embedded(), AuthHome::on(&server, None).await, AuthHome::embedded());
    let running = old.start(|_| {}).await.expect("it starts");
    let issuer = running.issuer().to_owned();
    running.user("ada", &["reader", "editor"]).await;
    for number in 0..40 {
        running.user(&format!("user-{number}"), &["reader"]).await;
    }
    let mut tokens = running.client().scope("account").open_session("ada", PASSWORD).await;
    let revoked = running.client().open_session("ada", PASSWORD).await;
    running.client().revoke(&revoked.refresh).await.assert_status(200);
    let scope = "documents:read".parse().expect("a scope");
    let key = NewApiKey { name: "nightly", scope: &scope, lifetime: Duration::from_hours(24), sources: &[] };
    let key = running.operator().add_api_key("ada", key).await.expect("it is acceptable");
    // More than one page of events.
    for _ in 0..600 {
        running.client().password("nobody", "nothing").await;
    }
    running.operator().rotate_key(true).await.expect("another key signs");
    running.operator().seal_audit().await.expect("it can be sealed");
    running.stop().await;

    let mut from = &old;
    for (number, to) in [&new, &back].into_iter().enumerate() {
        let file = old.directory().join(format!("move-{number}"));
        assert!(export(from, &file).await.done().contains("rows"));
        assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).expect("it is text");
        for secret in [&*tokens.refresh, &*tokens.access, PASSWORD, key.expose_secret()] {
            assert!(!text.contains(secret), "secrets are hashed or sealed");
        }
        move_master_key(from, to);
        let before = content(from).await;

        assert!(import(to, &file).await.done().contains("the audit trail holds"));

        assert_eq!(content(to).await, before);
        let running = start(to, &issuer).await;
        running.http().get("/account").bearer(&tokens.access).send().await.assert_status(200);
        tokens = running.client().scope("account").next_tokens(&tokens.refresh).await;
        running.client().refresh(&revoked.refresh).await.assert_oauth_error(400, "invalid_grant");
        running.client().unnamed().exchange(key.expose_secret()).await.assert_tokens();
        running.client().log_in("user-7", PASSWORD).await;
        running.operator().seal_audit().await.expect("it can be sealed");
        assert_eq!(running.operator().verify_audit().await.expect("it can be verified"), [] as [String; 0]);
        running.stop().await;
        from = to;
    }
}

#[tokio::test]
async fn a_database_that_is_not_empty_is_left_as_it_is() {
    let (old, used) = (AuthHome::embedded(), AuthHome::embedded());
    old.start(|_| {}).await.expect("it starts").stop().await;
    used.start(|_| {}).await.expect("it starts").stop().await;
    let file = old.directory().join("move");
    export(&old, &file).await.done();
    let before = used.database().dump().await;
    let again = export(&old, &file).await;

    let refused = import(&used, &file).await;

    assert!(refused.code == 1 && refused.err.contains("not empty"), "{refused:?}");
    assert_eq!(used.database().dump().await, before);
    assert!(again.code == 1 && again.err.contains("never written over"), "{again:?}");
}

#[tokio::test]
async fn an_export_that_was_cut_or_altered_imports_nothing() {
    let old = AuthHome::embedded();
    old.start(|_| {}).await.expect("it starts").stop().await;
    let file = old.directory().join("move");
    export(&old, &file).await.done();
    let text = fs::read_to_string(&file).expect("it is text");
    let lines: Vec<&str> = text.lines().collect();

    let cut = lines[..lines.len() - 1].join("\n") + "\n";
    let altered = text.replacen("\"active\"", "\"disabled\"", 1);
    let shortened = [&lines[..lines.len() - 3], &lines[lines.len() - 1..]].concat().join("\n") + "\n";
    let other_schema = text.replacen("m0001_first", "m0001_other", 1);
    for (bad, said) in [
        (cut, "cut off"),
        (altered, "altered"),
        (shortened, "altered"),
        (other_schema, "another version"),
        (String::new(), "no export"),
    ] {
        let new = AuthHome::embedded();
        move_master_key(&old, &new);
        fs::write(&file, bad).expect("it can be written");
        let refused = import(&new, &file).await;
        assert!(refused.code == 1 && refused.err.contains(said), "{said}: {refused:?}");
        if new.directory().join("test.db").exists() {
            assert!(new.database().rows(r#"SELECT id FROM "user""#).await.is_empty(), "{said}");
        }
    }
}

#[tokio::test]
async fn without_the_master_key_the_operator_is_told() {
    let (old, new) = (AuthHome::embedded(), AuthHome::embedded());
    old.start(|_| {}).await.expect("it starts").stop().await;
    let file = old.directory().join("move");
    export(&old, &file).await.done();

    let said = import(&new, &file).await;

    assert!(said.code == 1 && said.err.contains("AUTH_MASTER_KEYS"), "{said:?}");
}
