//! The desired state in a file.

use std::fs;

use auth_service::ApplyOptions;
use tests::{ADMIN_PASSWORD, AuthHome, PASSWORD, Stack};

use crate::command_line::{Said, auth};

const SECRET: &str = "a secret that the operator made of 256 random bits";

/// A complete state: an API, a role, a program and a person.
const STATE: &str = r#"
[[resource]]
id = "https://orders.example"
scopes = ["orders:read", "orders:write"]

[[role]]
name = "clerk"
scopes = ["orders:read", "orders:write"]

[[client]]
id = "batch"
kind = "confidential"
secret_file = "batch.secret"
grants = ["client_credentials"]
scopes = ["orders:read"]
roles = ["clerk"]
default_resource = "https://orders.example"
access_token_lifetime = "10m"

[[client]]
id = "shop"
kind = "public"
grants = ["password", "refresh_token"]
scopes = ["orders:read", "orders:write"]
default_resource = "https://orders.example"
cors_origins = ["https://shop.example"]

[[user]]
username = "carl"
password = "correct horse battery staple"
roles = ["clerk"]
"#;

/// Writes a file beside the database, and the secret that it names.
fn write(home: &AuthHome, text: &str) -> String {
    fs::write(home.directory().join("batch.secret"), format!("{SECRET}\n")).expect("it can be written");
    let path = home.directory().join("state.toml");
    fs::write(&path, text).expect("it can be written");
    path.to_str().expect("a path").to_owned()
}

async fn apply(stack: &Stack, text: &str, flags: &[&str]) -> Said {
    let path = write(stack.auth_home(), text);
    auth(stack.auth_home(), &[&["apply", "-f", &path], flags].concat(), "").await
}

#[tokio::test]
async fn a_file_brings_a_database_to_a_complete_state_and_a_second_time_changes_nothing() {
    let stack = Stack::start().await;

    let first = apply(&stack, STATE, &[]).await;

    assert_eq!(
        first.done().lines().collect::<Vec<_>>(),
        [
            "+ resource https://orders.example  scopes: orders:read orders:write",
            "+ role clerk  scopes: orders:read orders:write",
            "+ client batch  confidential; grants: client_credentials; scopes: orders:read; default_resource: \
             https://orders.example; access_token_lifetime: 600s; roles: clerk; secrets: 1 secret",
            "+ client shop  public; grants: password refresh_token; scopes: orders:read orders:write; cors_origins: \
             https://shop.example; default_resource: https://orders.example",
            "+ user carl  roles: clerk",
            "5 changed",
        ]
    );
    stack.client().basic("batch", SECRET).client_credentials().await.assert_tokens();
    stack.client().public("shop").log_in("carl", PASSWORD).await;

    let before = stack.auth_home().database().dump().await;
    let second = apply(&stack, STATE, &[]).await;
    assert_eq!(second.done(), "nothing to change\n");
    let after = stack.auth_home().database().dump().await;
    for table in
        ["resource", "resource_scope", "role", "role_scope", "client", "client_secret", "client_role", "user", "user_role"]
    {
        assert_eq!(before[table], after[table], "{table}");
    }
}

#[tokio::test]
async fn a_changed_file_shows_exactly_its_difference() {
    let stack = Stack::start().await;
    apply(&stack, STATE, &[]).await.done();
    let changed = STATE
        .replace(
            r#"scopes = ["orders:read", "orders:write"]

[[client]]"#,
            r#"scopes = ["orders:read"]

[[client]]"#,
        )
        .replace(
            r#"roles = ["clerk"]
"#,
            r#"roles = ["clerk", "reader"]
"#,
        );

    let dry = apply(&stack, &changed, &["--dry-run"]).await;
    let expected = ["~ role clerk  scopes: -orders:write", "~ client batch  roles: +reader", "~ user carl  roles: +reader"];
    assert_eq!(dry.done().lines().collect::<Vec<_>>(), [&expected[..], &["3 to change"]].concat());
    assert_eq!(apply(&stack, &changed, &["--dry-run"]).await.done(), dry.out, "a dry run changes nothing");

    let done = apply(&stack, &changed, &[]).await;
    assert_eq!(done.done().lines().collect::<Vec<_>>(), [&expected[..], &["3 changed"]].concat());
    assert_eq!(apply(&stack, &changed, &[]).await.done(), "nothing to change\n");
}

#[tokio::test]
async fn what_the_file_does_not_name_goes_only_when_it_is_told_to() {
    let stack = Stack::start().await;
    stack.user("rob", &["reader"]).await;

    apply(&stack, STATE, &[]).await.done();
    stack.client().log_in("rob", PASSWORD).await;
    let pruned = apply(&stack, STATE, &["--prune"]).await;

    let removed: Vec<_> = pruned.done().lines().filter(|line| line.starts_with("- ")).collect();
    for line in ["- user rob", "- client first-party", "- role editor", "- role reader"] {
        assert!(removed.contains(&line), "{line}: {removed:?}");
    }
    assert!(removed.contains(&&*format!("- resource {}", stack.resource().id())), "{removed:?}");
    // What the service cannot do without stays.
    let users = auth(stack.auth_home(), &["user", "list"], "").await;
    assert!(users.done().contains("admin") && users.out.contains("carl") && !users.out.contains("rob"), "{users:?}");
    let roles = auth(stack.auth_home(), &["role", "list"], "").await;
    assert!(roles.done().contains("admin:audit"), "{roles:?}");
    assert_eq!(apply(&stack, STATE, &["--prune"]).await.done(), "nothing to change\n");
}

#[tokio::test]
async fn nobody_can_take_the_last_administrator_away() {
    let stack = Stack::start().await;
    let before = stack.auth_home().database().dump().await["user"].clone();

    for state in [r#"roles = ["reader"]"#, r#"state = "disabled""#] {
        let text = format!("[[user]]\nusername = \"admin\"\n{state}\n[[role]]\nname = \"new\"\n");
        let said = apply(&stack, &text, &[]).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains("nobody who may log in would hold the role `admin`"), "{said:?}");
    }

    assert_eq!(stack.auth_home().database().dump().await["user"], before);
    let roles = auth(stack.auth_home(), &["role", "list"], "").await;
    assert!(!roles.done().contains("new"), "all of it or nothing: {roles:?}");
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_at_once_with_its_line() {
    let stack = Stack::start().await;
    let text = r#"[[role]]
name = "clerk"
scopes = ["orders:read"]
[[client]]
id = "batch"
grants = ["magic"]
roles = ["ghost"]
default_resource = "https://nowhere.example"
secret = "canary"
[[user]]
username = "a b"
[[user]]
username = "carl"
"#;
    let before = stack.auth_home().database().dump().await["role"].clone();

    let said = apply(&stack, text, &[]).await;

    assert_eq!(said.code, 1);
    for expected in [
        "line 1: role `clerk`: no resource has the scope `orders:read`",
        "line 4: client `batch`: there is no role `ghost`",
        "line 4: client `batch`: there is no resource `https://nowhere.example`",
        "line 4: client `batch`: there is no grant type `magic`",
        "line 4: client `batch`: a secret has 24 characters or more",
        "line 10: user: a username has",
        "line 12: user `carl`: a new user needs a password",
    ] {
        assert!(said.err.contains(expected), "{expected}\n{}", said.err);
    }
    assert!(!said.err.contains("canary"), "{}", said.err);
    assert_eq!(stack.auth_home().database().dump().await["role"], before);
}

#[tokio::test]
async fn a_member_that_is_not_known_is_refused() {
    let stack = Stack::start().await;

    let said = apply(&stack, "[[user]]\nusername = \"carl\"\npasword = \"canary\"\n", &[]).await;

    assert_eq!(said.code, 1);
    assert!(said.err.contains("line 3: unknown field `pasword`") && !said.err.contains("canary"), "{said:?}");
}

#[tokio::test]
async fn a_password_in_the_file_is_set_once_unless_it_is_told_to() {
    let stack = Stack::start().await;
    apply(&stack, STATE, &[]).await.done();
    let other = "another one that is long enough";
    let changed = STATE.replace(PASSWORD, other);
    let shop = stack.client().public("shop");

    assert_eq!(apply(&stack, &changed, &[]).await.done(), "nothing to change\n");
    shop.log_in("carl", PASSWORD).await;
    let reset = apply(&stack, &changed, &["--reset-passwords"]).await;
    assert_eq!(reset.done(), "~ user carl  password\n1 changed\n");
    shop.log_in("carl", other).await;
    assert_eq!(apply(&stack, &changed, &["--reset-passwords"]).await.done(), "nothing to change\n");
}

#[tokio::test]
async fn a_change_of_roles_is_dated() {
    let stack = Stack::start().await;
    apply(&stack, STATE, &[]).await.done();
    let database = stack.auth_home().database();
    database.run(r#"UPDATE "user" SET updated_at = 1 WHERE canonical = $1"#, ["carl".into()]).await;

    apply(&stack, &STATE.replace("roles = [\"clerk\"]\n", "roles = [\"reader\"]\n"), &[]).await.done();

    let row = database.row(r#"SELECT updated_at FROM "user" WHERE canonical = 'carl'"#).await;
    assert!(row.try_get::<i64>("", "updated_at").expect("a number") > 1);
}

#[tokio::test]
async fn one_line_break_at_the_end_of_a_secrets_file_is_not_of_the_secret_and_a_second_one_is() {
    let stack = Stack::start().await;
    apply(&stack, STATE, &[]).await.done();
    let path = stack.auth_home().directory().join("batch.secret");

    for (ending, said) in [("", "nothing to change"), ("\r\n", "nothing to change"), ("\n\n", "~ client batch")] {
        fs::write(&path, format!("{SECRET}{ending}")).expect("it can be written");
        let state = path.with_file_name("state.toml");
        let state = state.to_str().expect("a path");
        let done = auth(stack.auth_home(), &["apply", "-f", state, "--dry-run"], "").await;
        assert!(done.done().starts_with(said), "{ending:?}: {}", done.out);
    }
}

#[tokio::test]
async fn a_hash_from_elsewhere_lets_a_person_in() {
    let stack = Stack::start().await;
    stack.user("ada", &[]).await;
    let row = stack.auth_home().database().row(r#"SELECT password_hash FROM "user" WHERE canonical = 'ada'"#).await;
    let hash: String = row.try_get("", "password_hash").expect("a hash");

    let text = format!("[[user]]\nusername = \"carl\"\npassword_hash = \"{hash}\"\nroles = [\"reader\"]\n");
    apply(&stack, &text, &[]).await.done();

    stack.client().log_in("carl", PASSWORD).await;
    let bad = apply(&stack, "[[user]]\nusername = \"bob\"\npassword_hash = \"$md5$canary\"\n", &[]).await;
    assert!(bad.code == 1 && !bad.err.contains("canary"), "{bad:?}");
}

#[tokio::test]
async fn a_scope_moves_from_one_api_to_another_and_stays_in_its_roles() {
    let stack = Stack::start().await;
    apply(&stack, STATE, &[]).await.done();
    let moved = STATE.replace(
        r#"scopes = ["orders:read", "orders:write"]

[[role]]"#,
        r#"scopes = ["orders:read"]

[[resource]]
id = "https://archive.example"
scopes = ["orders:write"]

[[role]]"#,
    );

    apply(&stack, &moved, &[]).await.done();

    assert_eq!(apply(&stack, &moved, &[]).await.done(), "nothing to change\n");
}

#[tokio::test]
async fn a_start_applies_the_file_of_its_settings() {
    let home = AuthHome::new().await;
    let path = write(&home, STATE);

    let auth = home.start(|config| config.apply = Some(path.into())).await.expect("it starts");

    auth.client().public("shop").log_in("carl", PASSWORD).await;
    auth.client().log_in("admin", ADMIN_PASSWORD).await;
}

#[tokio::test]
async fn a_um_16_every_change_of_a_file_is_recorded() {
    let stack = Stack::start().await;
    let path = write(stack.auth_home(), STATE);

    let lines = stack.operator().apply(path.as_ref(), ApplyOptions::default()).await.expect("it is good");

    assert_eq!(lines.len(), 5);
    let events = auth(stack.auth_home(), &["audit", "list", "--output", "json"], "").await.json();
    for action in ["resource.put", "role.put", "client.put", "user.create"] {
        let is_there = events.as_array().expect("a list").iter().any(|event| {
            event["action"] == action
                && event["outcome"] == "ok"
                && event["actor"] == "embedding program"
                && event["subject"].is_string()
        });
        assert!(is_there, "{action}: {events}");
    }
}
