//! Who may change what of whom: nobody rises by their own hand, and nobody touches their equals (A.UM-05).

use auth_service::{ClientKind, NewClient};
use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, Answer, PASSWORD, Stack, jwt::Token};

/// A stack with two administrators, a manager of users and an editor; and tokens of the first and of the manager.
struct Ranks {
    stack: Stack,
    admin: String,
    manager: String,
    second_admin_id: String,
    manager_id: String,
    editor_id: String,
}

async fn ranks() -> Ranks {
    let stack = Stack::start().await;
    let scope = "admin:users admin:clients account documents:read".parse().expect("scopes");
    stack.operator().add_role("manager", &scope).await.expect("it is acceptable");
    let second_admin_id = stack.user("second", &["admin"]).await;
    let manager_id = stack.user("mona", &["manager"]).await;
    let editor_id = stack.user("emil", &["editor"]).await;
    let admin = stack.admin_token("admin:users admin:clients").await;
    let manager = stack.client().scope("admin:users admin:clients").log_in("mona", PASSWORD).await;
    Ranks { stack, admin, manager, second_admin_id, manager_id, editor_id }
}

impl Ranks {
    async fn put(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.stack.auth().http().put(path).bearer(token).json(body).send().await
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.stack.auth().http().post(path).bearer(token).json(body).send().await
    }

    async fn delete(&self, token: &str, path: &str) -> Answer {
        self.stack.auth().http().delete(path).bearer(token).send().await
    }

    /// Expects that an answer is a denial for this reason, that it was recorded, and that it tells of no challenge: another
    /// token would not help.
    async fn assert_denied(&self, answer: &Answer, status: u16, reason: &str) {
        answer.assert_problem(status);
        assert_eq!(answer.header("www-authenticate"), None, "{answer}");
        let request = answer.header("x-request-id").expect("a request id");
        let sql =
            format!("SELECT reason, actor, outcome FROM audit_event WHERE action = 'authz.denied' AND request_id = '{request}'");
        let event = self.stack.auth_home().database().row(&sql).await;
        assert_eq!(event.try_get::<String>("", "reason").expect("text"), reason, "{answer}");
        assert!(event.try_get::<String>("", "actor").expect("text").starts_with("usr_"));
    }

    async fn rights(&self) -> Vec<String> {
        let dump = self.stack.auth_home().database().dump().await;
        ["user", "user_role", "role_scope", "client", "client_role"].iter().flat_map(|&table| dump[table].clone()).collect()
    }
}

#[tokio::test]
async fn a_um_05_nobody_changes_their_own_roles_state_or_password() {
    let ranks = ranks().await;
    let before = ranks.rights().await;
    let path = format!("/admin/users/{}", ranks.manager_id);

    for answer in [
        ranks.put(&ranks.manager, &format!("{path}/roles"), &json!({"roles": ["manager", "reader"]})).await,
        ranks.put(&ranks.manager, &format!("{path}/roles"), &json!({"roles": []})).await,
        ranks.put(&ranks.manager, &path, &json!({"state": "disabled"})).await,
        ranks.put(&ranks.manager, &format!("{path}/password"), &json!({"password": PASSWORD})).await,
        ranks.delete(&ranks.manager, &path).await,
        ranks.put(&ranks.manager, "/admin/roles/manager", &json!({"scopes": ["admin:users"]})).await,
        ranks.delete(&ranks.manager, "/admin/roles/manager").await,
    ] {
        ranks.assert_denied(&answer, 403, "own_rights").await;
    }

    assert_eq!(ranks.rights().await, before);
    ranks.put(&ranks.manager, &path, &json!({"display_name": "Mona", "state": "active"})).await.assert_ok();
    ranks.delete(&ranks.manager, &format!("{path}/sessions")).await.assert_status(204);
}

#[tokio::test]
async fn a_um_05_nobody_gives_what_they_do_not_hold() {
    let ranks = ranks().await;
    let before = ranks.rights().await;
    let editor = format!("/admin/users/{}/roles", ranks.editor_id);

    for answer in [
        ranks.put(&ranks.manager, &editor, &json!({"roles": ["editor", "admin"]})).await,
        ranks.post(&ranks.manager, "/admin/users", &json!({"username": "eve", "roles": ["admin"]})).await,
        ranks.post(&ranks.manager, "/admin/users", &json!({"username": "eve", "roles": ["editor"]})).await,
        ranks.post(&ranks.manager, "/admin/roles", &json!({"name": "super", "scopes": ["admin:keys"]})).await,
        ranks.put(&ranks.manager, "/admin/roles/reader", &json!({"scopes": ["documents:admin"]})).await,
        ranks.put(&ranks.manager, "/admin/roles/editor", &json!({"scopes": ["documents:read"]})).await,
        ranks.post(&ranks.manager, "/admin/clients", &json!({"id": "tool", "kind": "public", "scopes": ["admin:keys"]})).await,
        ranks.post(&ranks.manager, "/admin/clients", &json!({"id": "tool", "kind": "confidential", "roles": ["admin"]})).await,
    ] {
        ranks.assert_denied(&answer, 403, "beyond_own").await;
    }

    assert_eq!(ranks.rights().await, before);
    ranks.put(&ranks.manager, &editor, &json!({"roles": ["editor", "reader"]})).await.assert_ok();
    ranks.put(&ranks.manager, &editor, &json!({"roles": ["reader"]})).await.assert_ok();
    ranks.put(&ranks.admin, &editor, &json!({"roles": ["admin"]})).await.assert_ok();
}

#[tokio::test]
async fn a_um_05_nobody_touches_an_equal_or_higher_user() {
    let ranks = ranks().await;
    ranks.stack.user("max", &["manager"]).await;
    let equal = ranks.stack.auth_home().database().row(r#"SELECT id FROM "user" WHERE canonical = 'max'"#).await;
    let equal: String = equal.try_get("", "id").expect("an id");
    ranks.stack.operator().enable_user("max", false).await.expect("there is one");
    let before = ranks.rights().await;

    for (token, id) in
        [(&ranks.manager, &ranks.second_admin_id), (&ranks.manager, &equal), (&ranks.admin, &ranks.second_admin_id)]
    {
        let path = format!("/admin/users/{id}");
        for answer in [
            ranks.put(token, &path, &json!({"state": "active", "display_name": "x"})).await,
            ranks.put(token, &format!("{path}/roles"), &json!({"roles": []})).await,
            ranks.put(token, &format!("{path}/password"), &json!({"password": PASSWORD})).await,
            ranks.delete(token, &format!("{path}/sessions")).await,
            ranks.delete(token, &path).await,
        ] {
            ranks.assert_denied(&answer, 403, "equal_or_higher").await;
        }
    }

    assert_eq!(ranks.rights().await, before);
    let path = format!("/admin/users/{}", ranks.manager_id);
    ranks.put(&ranks.admin, &path, &json!({"state": "disabled"})).await.assert_ok();
}

/// A.UM-05
#[tokio::test]
async fn a_client_that_leads_to_higher_rights_is_not_a_managers_to_change() {
    let ranks = ranks().await;
    let grants = ["client_credentials".to_owned()];
    let scope = "admin:users admin:clients admin:keys admin:audit";
    let new = NewClient {
        grants: grants.to_vec(),
        roles: vec!["admin".to_owned()],
        scope: scope.parse().expect("scopes"),
        ..NewClient::new("robot", ClientKind::Confidential)
    };
    let robot = ranks.stack.auth().register(new).await;
    let before = ranks.rights().await;

    for id in ["first-party", "robot"] {
        let path = format!("/admin/clients/{id}");
        for answer in [ranks.put(&ranks.manager, &path, &json!({})).await, ranks.delete(&ranks.manager, &path).await] {
            ranks.assert_denied(&answer, 403, "equal_or_higher").await;
        }
    }
    let secrets = ranks.post(&ranks.manager, "/admin/clients/robot/secrets", &json!({"overlap": 0})).await;
    ranks.assert_denied(&secrets, 403, "equal_or_higher").await;
    ranks.delete(&ranks.admin, "/admin/clients/robot").await.assert_problem(403);
    assert_eq!(ranks.rights().await, before);

    // A client that acts for itself is bound by the same rule.
    let token = robot.scope(scope).client_credentials().await.assert_tokens();
    let path = format!("/admin/users/{}", ranks.second_admin_id);
    ranks.delete(&token, &path).await.assert_problem(403);
    ranks.put(&token, "/admin/clients/robot", &json!({})).await.assert_problem(403);
    ranks.delete(&token, &format!("/admin/users/{}", ranks.editor_id)).await.assert_status(204);
}

/// A.JV-28
#[tokio::test]
async fn rights_are_those_of_the_moment_and_not_of_the_token() {
    let ranks = ranks().await;
    ranks.stack.operator().set_roles("mona", &["reader"]).await.expect("there is one");

    let answer = ranks.post(&ranks.manager, "/admin/users", &json!({"username": "eve"})).await;

    assert!(Token::read(&ranks.manager).claims["scope"].as_str().is_some_and(|scope| scope.contains("admin:users")));
    ranks.assert_denied(&answer, 403, "no_longer").await;
}

#[tokio::test]
async fn a_um_05_the_last_admin_cannot_be_removed_disabled_or_stripped() {
    let stack = Stack::start().await;
    let scope = "admin:users admin:clients admin:keys admin:audit admin:more";
    stack.operator().add_resource("https://more.example", &"admin:more".parse().expect("a scope")).await.expect("acceptable");
    stack.operator().add_role("owner", &scope.parse().expect("scopes")).await.expect("acceptable");
    stack.operator().set_roles("admin", &["admin"]).await.expect("it changes nothing");
    let admin = stack.admin_token("admin:users").await;
    let id = Token::read(&admin).claims["sub"].as_str().expect("a subject").to_owned();
    let path = format!("/admin/users/{id}");
    let http = stack.auth().http();

    for (call, body) in [
        (http.put(&path), Some(json!({"state": "disabled"}))),
        (http.put(&format!("{path}/roles")), Some(json!({"roles": ["owner"]}))),
        (http.delete(&path), None),
        (http.delete("/admin/roles/admin"), None),
        (http.put("/admin/roles/admin"), Some(json!({"scopes": ["account"]}))),
    ] {
        let call = call.bearer(&admin);
        let answer = match &body {
            Some(body) => call.json(body).send().await,
            None => call.send().await,
        };
        answer.assert_problem(409);
    }
    assert_eq!(stack.recorded("authz.denied", "refused", Some("last_admin")).await, 5);

    let operator = stack.operator();
    operator.enable_user("admin", false).await.expect_err("it is the last");
    operator.set_roles("admin", &["owner"]).await.expect_err("it is the last");
    assert!(stack.client().password("admin", ADMIN_PASSWORD).await.status() == 200);
    operator.clone().even_the_last_admin().enable_user("admin", false).await.expect("the operator was told");
    stack.client().password("admin", ADMIN_PASSWORD).await.assert_oauth_error(400, "invalid_grant");
}

/// A.UM-05, A.UM-15
#[tokio::test]
async fn of_two_admins_who_are_removed_at_once_one_remains() {
    let stack = Stack::start().await;
    for round in 0..5 {
        let second = format!("second-{round}");
        stack.user(&second, &["admin"]).await;
        let (one, other) = (stack.operator(), stack.operator());

        let (left, right) = tokio::join!(one.enable_user("admin", false), other.set_roles(&second, &["reader"]));

        assert!(left.is_ok() != right.is_ok(), "{left:?} {right:?}");
        stack.operator().enable_user("admin", true).await.expect("there is one");
        stack.operator().set_roles(&second, &[]).await.expect("there is one");
    }
}
