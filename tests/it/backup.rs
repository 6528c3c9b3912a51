//! Backups of the embedded database (A.FA-19, A.RR-19).

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use auth_service::{RestoreOptions, backup, restore};
use tests::{AuthHome, PASSWORD, Stack};

use crate::command_line::auth;

/// A home on an embedded database, where backups are kept beside it.
fn file(home: &AuthHome, name: &str) -> PathBuf {
    home.directory().join(name)
}

#[tokio::test]
async fn a_fa_19_a_backup_is_whole_while_logins_go_on() {
    let stack = Stack::builder().embedded().with_ada("reader").await;
    let client = stack.client();
    let load = tokio::spawn(async move {
        for _ in 0..30 {
            client.log_in("ada", PASSWORD).await;
        }
    });
    let copy = file(stack.auth_home(), "copy.db");

    let said = auth(stack.auth_home(), &["backup", copy.to_str().expect("a path")], "").await;

    assert!(said.done().contains("opened to prove it"), "{said:?}");
    load.await.expect("every login succeeds meanwhile");
    assert_eq!(fs::metadata(&copy).expect("it is there").permissions().mode() & 0o777, 0o600);
    let again = auth(stack.auth_home(), &["backup", copy.to_str().expect("a path")], "").await;
    assert!(again.code == 1 && again.err.contains("never written over"), "{again:?}");
}

#[tokio::test]
async fn a_rr_19_what_was_revoked_since_a_backup_does_not_come_back_with_it() {
    let home = AuthHome::embedded();
    let running = home.start(|_| {}).await.expect("it starts");
    let issuer = running.issuer().to_owned();
    running.user("ada", &["reader", "editor"]).await;
    let revoked = running.client().open_session("ada", PASSWORD).await;
    let copy = file(&home, "copy.db");
    backup(&home.config(), &copy).await.expect("it can be written");
    running.client().revoke(&revoked.refresh).await.assert_status(200);
    running.user("late", &[]).await;
    running.stop().await;

    let old = restore(&home.config(), &copy, RestoreOptions::default()).await.expect("nobody holds it");

    assert!(old.is_some_and(|old| old.exists()), "the old one is kept");
    let running = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts");
    running.client().refresh(&revoked.refresh).await.assert_oauth_error(400, "invalid_grant");
    running.client().log_in("ada", PASSWORD).await;
    assert!(running.operator().end_sessions("late").await.is_err(), "it is the state of the backup");
    running.operator().seal_audit().await.expect("it can be sealed");
    assert_eq!(running.operator().verify_audit().await.expect("it can be verified"), [] as [String; 0]);
}

#[tokio::test]
async fn sessions_live_on_only_if_the_operator_says_so() {
    let home = AuthHome::embedded();
    let running = home.start(|_| {}).await.expect("it starts");
    let issuer = running.issuer().to_owned();
    running.user("ada", &["reader"]).await;
    let tokens = running.client().open_session("ada", PASSWORD).await;
    let copy = file(&home, "copy.db");
    backup(&home.config(), &copy).await.expect("it can be written");
    running.stop().await;

    let options = RestoreOptions { keep_sessions: true, ..RestoreOptions::default() };
    restore(&home.config(), &copy, options).await.expect("nobody holds it");

    let running = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts");
    running.client().next_tokens(&tokens.refresh).await;
}

#[tokio::test]
async fn a_database_that_a_service_holds_is_not_replaced() {
    let stack = Stack::builder().embedded().start().await;
    let copy = file(stack.auth_home(), "copy.db");
    backup(&stack.auth_home().config(), &copy).await.expect("it can be written");
    stack.user("ada", &["reader"]).await;

    let refused = restore(&stack.auth_home().config(), &copy, RestoreOptions::default()).await;

    assert!(refused.is_err_and(|error| error.to_string().contains("a service holds")));
    stack.client().log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_file_that_is_no_backup_is_refused_and_nothing_is_touched() {
    let home = AuthHome::embedded();
    home.start(|_| {}).await.expect("it starts").stop().await;
    let (copy, before) = (file(&home, "copy.db"), home.database().dump().await);
    backup(&home.config(), &copy).await.expect("it can be written");
    let mut bytes = fs::read(&copy).expect("it can be read");
    let third = bytes.len() / 3;
    bytes[third..third * 2].fill(0x5a);

    for content in [b"this is no database".repeat(1000), bytes, Vec::new()] {
        let bad = file(&home, "bad.db");
        fs::write(&bad, content).expect("it can be written");
        assert!(restore(&home.config(), &bad, RestoreOptions::default()).await.is_err());
    }

    assert_eq!(home.database().dump().await, before);
}

#[tokio::test]
async fn a_postgresql_has_tools_of_its_own() {
    let home = AuthHome::embedded();
    let mut config = home.config();
    config.database_url = "postgres://localhost/none".into();

    let refused = backup(&config, &file(&home, "copy.db")).await;

    assert!(refused.is_err_and(|error| error.to_string().contains("pg_dump")));
}
