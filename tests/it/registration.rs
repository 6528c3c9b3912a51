//! Registration: closed unless the operator opens it, to everybody or to those who are invited.

use std::time::Duration;

use auth_service::Registration;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::{Answer, PASSWORD, Stack, TestDatabase};

async fn stack_that_is(registration: Registration, roles: &[&str]) -> Stack {
    let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
    let opened = move |config: &mut auth_service::Config| {
        config.registration = registration;
        config.registration_roles = roles;
    };
    Stack::builder().auth(opened).start().await
}

async fn register(stack: &Stack, body: &Value) -> Answer {
    stack.auth().http().post("/registration").json(body).send().await
}

fn account(username: &str) -> Value {
    json!({"username": username, "password": PASSWORD})
}

fn invited(username: &str, code: &str) -> Value {
    json!({"username": username, "password": PASSWORD, "invitation": code})
}

async fn invite(stack: &Stack, roles: &[&str], lifetime: Duration) -> String {
    let code = stack.operator().invite(roles, lifetime).await.expect("there are such roles");
    code.expose_secret().to_owned()
}

async fn users(database: &TestDatabase) -> usize {
    database.rows(r#"SELECT id FROM "user""#).await.len()
}

#[tokio::test]
async fn registration_is_closed_unless_the_operator_opens_it() {
    let stack = Stack::start().await;

    for body in [account("ada"), invited("ada", "inv_x"), json!({"username": "admin", "password": PASSWORD})] {
        register(&stack, &body).await.assert_problem(404);
    }
    assert_eq!(users(stack.auth_home().database()).await, 1, "the administrator");
}

#[tokio::test]
async fn whoever_registers_where_it_is_open_can_log_in_with_the_roles_of_the_settings() {
    let stack = stack_that_is(Registration::Open, &["reader"]).await;

    let answer = register(&stack, &account("Ada")).await;

    let body = answer.assert_status(201).assert_hardened().json();
    assert_eq!(body["username"], "Ada");
    answer.assert_no_echo(PASSWORD);
    let token = stack.client().scope("account").log_in("ada", PASSWORD).await;
    let profile = stack.auth().http().get("/account").bearer(&token).send().await.assert_ok();
    assert_eq!((&profile["id"], &profile["roles"]), (&body["id"], &json!(["reader"])));
    let event =
        stack.auth_home().database().row("SELECT actor, subject, ip FROM audit_event WHERE action = 'user.register'").await;
    for column in ["actor", "subject"] {
        assert_eq!(event.try_get::<String>("", column).ok().as_deref(), body["id"].as_str());
    }
    assert_eq!(event.try_get::<String>("", "ip").expect("from where"), "127.0.0.1");
}

#[tokio::test]
async fn a_registered_account_has_no_roles_unless_the_settings_give_some() {
    let stack = stack_that_is(Registration::Open, &[]).await;

    register(&stack, &account("ada")).await.assert_status(201);

    stack.client().password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
}

#[tokio::test]
async fn a_um_03_nobody_registers_with_more_than_a_name_and_a_password() {
    let stack = stack_that_is(Registration::Open, &["reader"]).await;

    for (member, value) in [
        ("roles", json!(["admin"])),
        ("is_admin", json!(true)),
        ("id", json!("usr_1")),
        ("password_hash", json!("$argon2id$")),
        ("state", json!("active")),
        ("generation", json!(9)),
        ("created_at", json!(0)),
        ("must_change_password", json!(false)),
    ] {
        let mut body = account("ada");
        body[member] = value;
        register(&stack, &body).await.assert_problem(400);
    }
    assert_eq!(users(stack.auth_home().database()).await, 1);
}

#[tokio::test]
async fn an_unacceptable_name_or_password_is_refused_by_name() {
    let stack = stack_that_is(Registration::Open, &[]).await;

    for name in ["", "a", "аda", "ada\u{200b}", "ａｄａ", "ada@example", ".ada", "ad a", &"a".repeat(65)] {
        let answer = register(&stack, &account(name)).await;
        assert_eq!(answer.assert_problem(422).json()["errors"][0]["field"], "username", "{name}");
    }
    for password in ["", "too short", "123456789012345", "ada ada ada ada ada", "AUTH-SERVICE-AUTH-SERVICE", &"x".repeat(257)] {
        let answer = register(&stack, &json!({"username": "ada", "password": password})).await;
        assert_eq!(answer.assert_problem(422).json()["errors"][0]["field"], "password", "{password}");
    }
    for body in
        [json!({"username": "ada"}), json!({"password": PASSWORD}), json!({"username": 1, "password": PASSWORD}), json!(null)]
    {
        register(&stack, &body).await.assert_problem(400);
    }
}

#[tokio::test]
async fn a_um_08_of_fifty_registrations_of_a_name_one_is_made() {
    let stack = stack_that_is(Registration::Open, &["reader"]).await;
    let names = ["ada", "Ada", "ADA", "aDa"];

    let requests: Vec<_> = (0..50)
        .map(|number| {
            let call = stack.auth().http().post("/registration").json(&account(names[number % names.len()]));
            tokio::spawn(async move {
                loop {
                    let answer = call.clone().send().await;
                    // Every slot for hashing was taken, or the database had others before: try again, as it says.
                    if answer.status() != 503 {
                        return answer.status();
                    }
                }
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.await.expect("it is answered"));
    }

    statuses.sort_unstable();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 49, "{statuses:?}");
    assert_eq!(users(stack.auth_home().database()).await, 2);
}

#[tokio::test]
async fn an_invitation_lets_one_person_in_with_its_roles() {
    let stack = stack_that_is(Registration::Invite, &["reader"]).await;
    let code = invite(&stack, &["editor"], Duration::from_hours(1)).await;
    register(&stack, &account("ada")).await.assert_problem(403);

    register(&stack, &invited("ada", &code)).await.assert_status(201);

    let token = stack.client().scope("account").log_in("ada", PASSWORD).await;
    let profile = stack.auth().http().get("/account").bearer(&token).send().await.assert_ok();
    assert_eq!(profile["roles"], json!(["editor"]));
    register(&stack, &invited("rob", &code)).await.assert_problem(403);
    let plain = invite(&stack, &[], Duration::from_hours(1)).await;
    register(&stack, &invited("rob", &plain)).await.assert_status(201);
    assert_eq!(stack.client().scope("account").password("rob", PASSWORD).await.status(), 200, "the role of the settings");
    stack.operator().invite(&["unheard-of"], Duration::from_hours(1)).await.expect_err("there is no such role");
}

#[tokio::test]
async fn an_invitation_is_used_up_once_however_many_come_at_once() {
    let stack = stack_that_is(Registration::Invite, &[]).await;
    let code = invite(&stack, &[], Duration::from_hours(1)).await;

    let requests: Vec<_> = (0..12)
        .map(|number| {
            let call = stack.auth().http().post("/registration").json(&invited(&format!("person{number}"), &code));
            tokio::spawn(async move { call.send().await.status() })
        })
        .collect();
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.await.expect("it is answered"));
    }

    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 403 | 503)), "{statuses:?}");
    assert_eq!(users(stack.auth_home().database()).await, 2);
}

#[tokio::test]
async fn an_invitation_that_is_no_good_is_refused_whatever_the_name() {
    let stack = stack_that_is(Registration::Invite, &[]).await;
    stack.user("ada", &["reader"]).await;
    let expired = invite(&stack, &[], Duration::from_hours(1)).await;
    stack.auth_home().database().run("UPDATE invitation SET expires_at = 1", []).await;
    let reference = register(&stack, &invited("nobody", &expired)).await;
    reference.assert_problem(403).assert_no_echo(&expired);

    for body in
        [account("ada"), account("nobody"), invited("ada", &expired), invited("ada", ""), invited("nobody", "inv_x' OR 1=1")]
    {
        let answer = register(&stack, &body).await;
        assert_eq!(answer.assert_problem(403).json()["detail"], reference.json()["detail"], "{body}");
    }
    assert_eq!(users(stack.auth_home().database()).await, 2);
}

#[tokio::test]
async fn a_rr_15_no_table_holds_the_code_of_an_invitation() {
    let stack = stack_that_is(Registration::Invite, &[]).await;
    let code = invite(&stack, &[], Duration::from_hours(1)).await;

    let dump = format!("{:?}", stack.auth_home().database().dump().await);

    assert!(code.starts_with("inv_") && code.len() > 40, "{code}");
    assert!(!dump.contains(code.trim_start_matches("inv_")));
}

#[tokio::test]
async fn a_um_10_whoever_asks_for_many_names_is_stopped_for_a_day() {
    let stack = Stack::builder()
        .auth(|config| {
            config.registration = Registration::Open;
            config.login_throttle = true;
        })
        .start()
        .await;
    let taken: Vec<String> = (0..15).map(|number| format!("person{number}")).collect();
    for name in &taken {
        stack.user(name, &["reader"]).await;
    }
    let database = stack.auth_home().database();

    for name in &taken {
        // The burst of a network would end it earlier; this is about the names.
        database.run("UPDATE login_attempt SET failures = 0", []).await;
        register(&stack, &account(name)).await.assert_problem(409);
    }
    database.run("UPDATE login_attempt SET failures = 0", []).await;
    let stopped = register(&stack, &account("somebody-new")).await;

    stopped.assert_problem(429);
    let wait: u64 = stopped.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((80_000..=86_400).contains(&wait), "{stopped}");
    let event = database.rows("SELECT id FROM audit_event WHERE action = 'user.register' AND outcome = 'throttled'").await;
    assert_eq!(event.len(), 1);
}

#[tokio::test]
async fn registrations_of_one_network_are_counted() {
    let stack = Stack::builder()
        .auth(|config| {
            config.registration = Registration::Invite;
            config.login_throttle = true;
        })
        .start()
        .await;

    let mut answered = 0;
    let stopped = loop {
        let answer = register(&stack, &invited("ada", "inv_guess")).await;
        if answer.status() == 429 || answered > 20 {
            break answer;
        }
        answer.assert_problem(403);
        answered += 1;
    };

    stopped.assert_problem(429);
    assert!(stopped.header("retry-after").is_some(), "{stopped}");
    assert!((10..=14).contains(&answered), "ten at once, and one more every six seconds: {answered}");
}

#[tokio::test]
async fn a_role_of_the_settings_that_does_not_exist_stops_the_start() {
    let home = tests::AuthHome::new().await;

    let Err(error) = home
        .start(|config| {
            config.registration = Registration::Open;
            config.registration_roles = vec!["unheard-of".to_owned()];
        })
        .await
    else {
        panic!("it starts, but must not")
    };

    assert!(format!("{error:#}").contains("AUTH_REGISTRATION_ROLES"), "{error:#}");
}
