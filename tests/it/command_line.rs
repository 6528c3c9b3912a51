//! The command line: what it prints, and the exit codes that scripts can use.

use std::process::Stdio;

use serde_json::Value;
use tests::{AuthHome, PASSWORD, ResourceHome, Stack, until_some};
use tokio::{io::AsyncWriteExt, process::Command};

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// What a command that succeeded printed.
    #[track_caller]
    pub(crate) fn done(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.out
    }

    /// What a command printed as JSON, whatever its exit code.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// Runs auth-service's command line on the database of this home, with this on standard input.
pub(crate) async fn auth(home: &AuthHome, arguments: &[&str], input: &str) -> Said {
    let directory = home.directory().to_str().expect("a path");
    let settings = ["--data-dir", directory, "--database-url", home.database().url()];
    run("auth-service", &[&settings, arguments].concat(), input).await
}

/// Runs resource-service's command line on the database of this home.
pub(crate) async fn resource(home: &ResourceHome, arguments: &[&str]) -> Said {
    let directory = home.directory().to_str().expect("a path");
    let settings = ["--data-dir", directory, "--database-url", home.database().url()];
    run("resource-service", &[&settings, arguments].concat(), "").await
}

async fn run(name: &str, arguments: &[&str], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_command-line"));
    command.arg0(name).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("the program can be started");
    let mut stdin = running.stdin.take().expect("it has a standard input");
    // A command that asks for nothing may have gone by then.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = running.wait_with_output().await.expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    Said { code: output.status.code().expect("it ends by itself"), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test]
async fn whatever_can_be_listed_is_a_table_for_people_and_json_for_programs() {
    let stack = Stack::with_ada("editor").await;
    stack.client().log_in("ada", PASSWORD).await;
    let home = stack.auth_home();

    for (arguments, expected) in [
        (vec!["user", "list"], "ada"),
        (vec!["role", "list"], "documents:write"),
        (vec!["resource", "list"], "admin:audit"),
        (vec!["client", "list"], "first-party"),
        (vec!["session", "list", "ada"], "first-party"),
        (vec!["key", "list"], "RS256"),
        (vec!["audit", "list"], "login"),
    ] {
        let table = auth(home, &arguments, "").await;
        assert!(table.done().contains(expected), "{arguments:?}: {table:?}");
        let json = auth(home, &[arguments.clone(), vec!["--output", "json"]].concat(), "").await;
        let rows = json.json();
        assert!(
            rows.as_array().is_some_and(|rows| !rows.is_empty()) && rows.to_string().contains(expected),
            "{arguments:?}: {rows}"
        );
    }
    let ada = auth(home, &["user", "show", "ada", "--output", "json"], "").await.json();
    assert_eq!((&ada["username"], &ada["state"], &ada["roles"][0]), (&"ada".into(), &"active".into(), &"editor".into()));
    assert!(!ada.to_string().contains("argon2"), "{ada}");
    let client = auth(home, &["client", "show", "first-party"], "").await;
    assert!(client.done().contains("public"), "{client:?}");
}

#[tokio::test]
async fn what_is_removed_is_gone_with_all_that_it_held() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let token = app.log_in("ada", PASSWORD).await;
    let home = stack.auth_home();

    auth(home, &["user", "delete", "ada"], "").await.done();
    stack.await_refusal(&token).await;
    app.password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_grant");
    auth(home, &["client", "remove", "app"], "").await.done();
    let unknown = until_some("the service hears of it", async || {
        Some(app.password("ada", PASSWORD).await).filter(|answer| answer.status() != 400)
    });
    unknown.await.assert_invalid_client();
    auth(home, &["role", "remove", "editor"], "").await.done();
    auth(home, &["resource", "remove", stack.resource().id()], "").await.done();
    let roles = auth(home, &["role", "list"], "").await;
    assert!(!roles.done().contains("editor") && !roles.out.contains("documents:"), "{roles:?}");

    let removals = auth(home, &["audit", "list", "--output", "json"], "").await.json();
    for action in ["user.remove", "client.remove", "role.remove", "resource.remove"] {
        let events = removals.as_array().expect("a list").iter().filter(|event| event["action"] == action);
        let actors: Vec<_> = events.map(|event| event["actor"].clone()).collect();
        assert_eq!(actors, ["command line"], "{action}");
    }
}

#[tokio::test]
async fn what_the_service_needs_cannot_be_removed() {
    let stack = Stack::start().await;
    let before = stack.auth_home().database().dump().await["user_role"].clone();

    for arguments in [["user", "delete", "admin"], ["role", "remove", "admin"], ["resource", "remove", stack.auth().issuer()]] {
        let said = auth(stack.auth_home(), &arguments, "").await;
        assert_eq!(said.code, 1, "{said:?}");
    }

    assert_eq!(stack.auth_home().database().dump().await["user_role"], before);
}

#[tokio::test]
async fn exit_codes_tell_what_went_wrong() {
    let stack = Stack::start().await;
    let home = stack.auth_home();

    for arguments in [
        vec!["user", "show", "nobody"],
        vec!["user", "delete", "nobody"],
        vec!["user", "disable", "nobody"],
        vec!["role", "remove", "none"],
        vec!["resource", "remove", "https://none.example"],
        vec!["client", "show", "none"],
        vec!["client", "disable", "none"],
        vec!["session", "list", "nobody"],
    ] {
        let said = auth(home, &arguments, "").await;
        assert_eq!(said.code, 3, "{arguments:?}: {said:?}");
        assert!(said.err.starts_with("auth-service: there is no "), "{said:?}");
    }
    for arguments in [vec!["user", "list", "--output", "xml"], vec!["colour"], vec!["user", "add"]] {
        assert_eq!(auth(home, &arguments, "").await.code, 2, "{arguments:?}");
    }
    assert_eq!(auth(home, &["user", "add", "bob"], "short\n").await.code, 1);
}

#[tokio::test]
async fn a_password_is_read_from_standard_input_and_never_from_an_argument() {
    let stack = Stack::start().await;
    let home = stack.auth_home();

    auth(home, &["user", "add", "bob", "--role", "reader"], &format!("{PASSWORD}\n")).await.done();
    stack.client().log_in("bob", PASSWORD).await;
    assert_eq!(auth(home, &["user", "passwd", "bob", PASSWORD], "").await.code, 2);
}

#[tokio::test]
async fn migrate_makes_the_schema_and_nothing_else() {
    let home = AuthHome::new().await;

    auth(&home, &["migrate"], "").await.done();
    auth(&home, &["migrate"], "").await.done();

    let dump = home.database().dump().await;
    assert!(!dump["seaql_migrations"].is_empty());
    for table in ["user", "role", "client", "resource", "signing_key", "setting", "audit_event"] {
        assert!(dump[table].is_empty(), "{table}");
    }
}

#[tokio::test]
async fn migrate_of_resource_service_makes_the_schema_and_nothing_else() {
    let home = ResourceHome::new().await;

    resource(&home, &["migrate"]).await.done();
    resource(&home, &["migrate"]).await.done();

    let dump = home.database().dump().await;
    assert!(!dump["seaql_migrations"].is_empty() && dump["document"].is_empty(), "{dump:?}");
    home.start("http://localhost:1", |_| {}).await.expect("it starts").stop().await;
}
