//! `doctor`: what is wrong with an installation, and what to do about it.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use tests::{AuthHome, ResourceHome, Stack};

use crate::command_line::{Said, auth, resource};

/// How the subject that begins so is.
#[track_caller]
fn verdict<'a>(findings: &'a Value, subject: &str) -> &'a str {
    let is_it = |finding: &&Value| finding["subject"].as_str().is_some_and(|text| text.starts_with(subject));
    let found = findings.as_array().expect("findings").iter().find(is_it);
    found.unwrap_or_else(|| panic!("{subject} is not in {findings}"))["verdict"].as_str().expect("a verdict")
}

async fn examine(stack: &Stack) -> Said {
    auth(stack.auth_home(), &["--issuer", stack.auth().issuer(), "doctor", "--output", "json"], "").await
}

#[tokio::test]
async fn an_installation_in_order_is_found_in_order() {
    let stack = Stack::start().await;
    fs::set_permissions(stack.auth_home().directory(), fs::Permissions::from_mode(0o700)).expect("it is ours");

    let said = examine(&stack).await;

    said.done();
    let findings = said.json();
    for subject in ["settings", "database", "clock against the database", "schema", "issuer", "signing keys", "key rotation"] {
        assert_eq!(verdict(&findings, subject), "ok", "{findings}");
    }
    for subject in ["issuer URL", "clock against the issuer", "permissions"] {
        assert_eq!(verdict(&findings, subject), "ok", "{findings}");
    }
    let text = auth(stack.auth_home(), &["doctor"], "").await;
    assert!(text.done().starts_with("ok "), "{text:?}");
}

#[tokio::test]
async fn what_others_may_read_is_told_with_what_to_do() {
    let stack = Stack::start().await;
    let directory = stack.auth_home().directory();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("it is ours");

    let said = examine(&stack).await;

    assert_eq!(verdict(&said.json(), &format!("permissions of {}", directory.display())), "warning");
    assert!(said.done().contains("chmod 700"), "{said:?}");

    fs::set_permissions(directory.join("master.key"), fs::Permissions::from_mode(0o644)).expect("it is ours");

    let said = examine(&stack).await;

    assert_eq!((said.code, verdict(&said.json(), "settings")), (1, "error"), "{said:?}");
    assert!(said.out.contains("chmod 600"), "{said:?}");
}

#[tokio::test]
async fn a_key_that_cannot_be_unsealed_is_an_error() {
    let stack = Stack::start().await;
    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    let said = auth(stack.auth_home(), &["--master-keys", other, "doctor", "--output", "json"], "").await;

    assert_eq!((said.code, verdict(&said.json(), "signing keys")), (1, "error"), "{said:?}");
}

#[tokio::test]
async fn an_issuer_that_the_database_does_not_belong_to_is_an_error() {
    let stack = Stack::start().await;

    let said = auth(stack.auth_home(), &["--issuer", "http://localhost:1", "doctor", "--output", "json"], "").await;

    assert_eq!((said.code, verdict(&said.json(), "issuer")), (1, "error"), "{said:?}");
    assert_eq!(verdict(&said.json(), "issuer URL"), "warning", "nobody answers there");
}

#[tokio::test]
async fn a_schema_of_the_future_and_settings_that_are_wrong_are_errors() {
    let home = AuthHome::new().await;
    home.start(|_| {}).await.expect("it starts").stop().await;
    home.database().run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_of_the_future', 0)", []).await;

    let said = auth(&home, &["doctor", "--output", "json"], "").await;
    assert_eq!((said.code, verdict(&said.json(), "schema")), (1, "error"), "{said:?}");
    let said = auth(&home, &["--access-token-lifetime", "2h", "doctor", "--output", "json"], "").await;
    assert_eq!((said.code, verdict(&said.json(), "settings")), (1, "error"), "{said:?}");
}

#[tokio::test]
async fn an_api_is_told_how_far_its_schema_is() {
    let home = ResourceHome::new().await;
    let schema = async || {
        let said = resource(&home, &["--issuer", "http://localhost:1", "doctor", "--output", "json"]).await;
        verdict(&said.json(), "schema").to_owned()
    };

    resource(&home, &["migrate"]).await.done();
    assert_eq!(schema().await, "ok");
    home.database().run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_of_the_future', 0)", []).await;
    assert_eq!(schema().await, "error");
    home.database().run("DELETE FROM seaql_migrations", []).await;
    assert_eq!(schema().await, "warning");
}

#[tokio::test]
async fn an_api_in_order_is_found_in_order_and_one_that_is_not_is_told_why() {
    let stack = Stack::start().await;
    let home = stack.resource_home();
    let (id, issuer) = (stack.resource().id(), stack.auth().issuer());
    stack.token_of("ada", &["reader"]).await;

    let said = resource(home, &["--id", id, "--issuer", issuer, "doctor", "--output", "json"]).await;
    said.done();
    for subject in ["settings", "database", "schema", "issuer", "clock against the issuer", "identifier"] {
        assert_eq!(verdict(&said.json(), subject), "ok", "{said:?}");
    }

    let said = resource(home, &["--id", "http://localhost:1", "--issuer", issuer, "doctor", "--output", "json"]).await;
    assert_eq!((said.code, verdict(&said.json(), "identifier")), (1, "error"), "{said:?}");
    let away = ResourceHome::new().await;
    let said = resource(&away, &["--id", id, "--issuer", "http://localhost:1", "doctor", "--output", "json"]).await;
    assert_eq!((said.code, verdict(&said.json(), "issuer")), (1, "error"), "{said:?}");
}
