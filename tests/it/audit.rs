//! The audit trail: what is in it, who may read it, and how long it is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, PASSWORD, Stack};

use crate::command_line::auth;

async fn auditor(stack: &Stack) -> String {
    stack.client().scope("admin:audit").log_in("admin", ADMIN_PASSWORD).await
}

async fn events(stack: &Stack, query: &str) -> Vec<Value> {
    let token = auditor(stack).await;
    let page = stack.auth().http().get(&format!("/admin/audit-events?{query}")).bearer(&token).send().await.assert_ok();
    page["events"].as_array().expect("a page has events").clone()
}

#[tokio::test]
async fn whoever_administers_finds_who_did_what_and_from_where() {
    let stack = Stack::start().await;
    let ada = stack.user("ada", &["reader"]).await;
    stack.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    stack.client().log_in("ada", PASSWORD).await;

    let found = events(&stack, &format!("subject={ada}")).await;

    let what: Vec<_> = found.iter().map(|event| (event["action"].as_str(), event["outcome"].as_str())).collect();
    let expected = [("login", "ok"), ("login", "refused"), ("user.create", "ok")];
    assert_eq!(what, expected.map(|(action, outcome)| (Some(action), Some(outcome))), "newest first");
    let refused = &found[1];
    assert_eq!((&refused["reason"], &refused["client_id"]), (&json!("wrong_password"), &json!("first-party")));
    assert!(refused["ip"].is_string() && refused["request_id"].is_string(), "{refused}");
    assert!(refused["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{refused}");
    assert_eq!(found[2]["actor"], "embedding program");
}

#[tokio::test]
async fn what_the_operator_adds_is_on_record_and_a_refused_addition_is_not() {
    let stack = Stack::start().await;
    let operator = stack.operator();
    let orders = "orders:read".parse().expect("a scope");

    operator.add_resource("https://orders.example", &orders).await.expect("it is new");
    operator.add_role("clerk", &orders).await.expect("it is new");
    operator.add_role("clerk", &orders).await.expect_err("it is there");

    for (action, subject) in [("resource.create", "https://orders.example"), ("role.create", "clerk")] {
        let found = events(&stack, &format!("action={action}&subject={subject}")).await;
        assert_eq!(found.len(), 1, "{action}");
        assert_eq!((&found[0]["outcome"], &found[0]["actor"]), (&json!("ok"), &json!("embedding program")), "{action}");
    }
}

#[tokio::test]
async fn every_filter_narrows() {
    let stack = Stack::with_ada("reader").await;
    stack.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");

    assert!(events(&stack, "action=login&outcome=refused").await.iter().all(|event| event["reason"] == "wrong_password"));
    assert_eq!(events(&stack, "action=login&outcome=refused&client=first-party").await.len(), 1);
    assert_eq!(events(&stack, "outcome=throttled").await, [] as [Value; 0]);
    assert_eq!(events(&stack, "ip=192.0.2.1").await, [] as [Value; 0]);
    assert_eq!(events(&stack, "actor=nobody").await, [] as [Value; 0]);
    assert_eq!(events(&stack, "until=2020-01-01T00:00:00Z").await, [] as [Value; 0]);
    assert!(!events(&stack, "since=2020-01-01T00:00:00Z&action=user.create").await.is_empty());
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let stack = Stack::start().await;
    for number in 0..5 {
        stack.user(&format!("user{number}"), &[]).await;
    }
    let token = auditor(&stack).await;
    let get = |path: String| stack.auth().http().get(&path).bearer(&token).send();
    let all = get("/admin/audit-events?action=user.create&limit=100".to_owned()).await.assert_ok();

    let (mut path, mut seen) = ("/admin/audit-events?action=user.create&limit=2".to_owned(), Vec::new());
    loop {
        let answer = get(path.clone()).await;
        let page = answer.assert_ok();
        seen.extend(page["events"].as_array().expect("events").clone());
        let Some(link) = answer.header("link") else {
            assert_eq!(page.get("next_cursor"), None);
            break;
        };
        path = link.split(['<', '>']).nth(1).expect("a link").to_owned();
    }

    let ids = |events: &[Value]| events.iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&seen), ids(all["events"].as_array().expect("events")));
    assert_eq!(seen.len(), 6, "five and the administrator");
}

#[tokio::test]
async fn everything_is_exported_as_lines_of_json() {
    let stack = Stack::start().await;
    stack.user("ada", &[]).await;
    let token = auditor(&stack).await;

    let answer = stack.auth().http().get("/admin/audit-events/export").bearer(&token).send().await;

    answer.assert_status(200);
    assert_eq!(answer.media_type(), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert!(lines.iter().any(|event| event["action"] == "user.create"));
    let exported = auth(stack.auth_home(), &["audit", "export"], "").await;
    assert_eq!(exported.done().lines().count(), lines.len());
}

#[tokio::test]
async fn nobody_else_reads_it_and_nothing_malformed_is_guessed_at() {
    let stack = Stack::start().await;
    let other = stack.client().scope("admin:users").log_in("admin", ADMIN_PASSWORD).await;
    let documents = stack.token_of("ada", &["editor"]).await;
    let token = auditor(&stack).await;

    for path in ["/admin/audit-events", "/admin/audit-events/export"] {
        let get = || stack.auth().http().get(path);
        get().send().await.assert_no_credentials();
        get().bearer(&documents).send().await.assert_invalid_token();
        let challenge = get().bearer(&other).send().await.assert_challenge(403, Some("insufficient_scope"));
        assert_eq!(challenge.attribute("scope"), Some("admin:audit"));
        stack.auth().http().get(&format!("{path}?since=yesterday")).bearer(&token).send().await.assert_problem(400);
    }
    for query in ["limit=0", "limit=101", "cursor=abc", "outcome=perhaps", "until=1"] {
        let answer = stack.auth().http().get(&format!("/admin/audit-events?{query}")).bearer(&token).send().await;
        answer.assert_problem(400);
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_recorded_as_a_keyed_hash_only() {
    let stack = Stack::start().await;
    let typed = "my-secret-password-in-the-wrong-field";
    for username in [typed, typed, "somebody"] {
        stack.client().password(username, "x").await.assert_oauth_error(400, "invalid_grant");
    }

    let found = events(&stack, "action=login&outcome=refused").await;

    let details: Vec<_> = found.iter().map(|event| event["detail"].as_str().expect("a hash")).collect();
    assert_eq!(details.len(), 3);
    assert!(details[1] == details[2] && details[0] != details[1], "{details:?}");
    let dump = format!("{:?}", stack.auth_home().database().dump().await);
    assert!(!dump.contains(typed), "it is in the database");
}

#[tokio::test]
async fn a_ch_09_a_name_with_control_characters_is_one_line_everywhere() {
    let stack = Stack::start().await;
    stack.client().password("x\n{\"level\":\"info\"}\u{1b}[2J\u{2028}\"", "x").await.assert_oauth_error(400, "invalid_grant");

    let exported = auth(stack.auth_home(), &["audit", "export", "--action", "login"], "").await;

    assert_eq!(exported.done().lines().count(), 1);
    assert!(!exported.out.contains('\u{1b}'));
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_secs()).expect("seconds")
}

/// Seals the trail, forgets it as if an hour had passed, and goes on with it.
async fn forget(stack: &Stack) -> Vec<String> {
    stack.operator().seal_audit().await.expect("it can be sealed");
    let early = stack.operator().forget_audit_before(now() - 3600).await.expect("it can be asked");
    assert_eq!(early, 0, "nothing is old enough");
    let forgotten = stack.operator().forget_audit_before(now() + 3600).await.expect("it can be done");
    assert!(forgotten > 0);
    stack.user("ada", &[]).await;
    stack.operator().seal_audit().await.expect("it can be sealed");
    stack.operator().verify_audit().await.expect("it can be verified")
}

#[tokio::test]
async fn old_events_are_forgotten_and_the_rest_can_still_be_proved() {
    let day = Duration::from_hours(24);
    let stack = Stack::builder().auth(move |config| config.audit_retention = day).start().await;

    assert_eq!(forget(&stack).await, [] as [String; 0]);

    assert!(!events(&stack, "action=user.create").await.is_empty());
}

#[tokio::test]
async fn forgetting_what_should_still_be_kept_is_found() {
    let stack = Stack::start().await;

    let found = forget(&stack).await;

    assert!(found.len() == 1 && found[0].contains("not yet time to forget"), "{found:?}");
}
