//! Users, as administrators manage them over HTTP.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, Http, PASSWORD, Stack, Tokens};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

const SCOPE: &str = "admin:users";

async fn stack_and_token() -> (Stack, String) {
    let stack = Stack::builder().prompt().start().await;
    let token = stack.admin_token(SCOPE).await;
    (stack, token)
}

fn names(page: &Value) -> Vec<&str> {
    page["users"].as_array().expect("a list").iter().map(|user| user["username"].as_str().expect("a name")).collect()
}

async fn listed(http: &Http, token: &str, query: &str) -> Value {
    http.get(&format!("/admin/users{query}")).bearer(token).send().await.assert_ok()
}

#[tokio::test]
async fn a_user_is_created_read_changed_and_deleted() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    let new = json!({"username": "Ada", "password": PASSWORD, "display_name": "Ada Lovelace", "roles": ["editor"],
        "must_change_password": false});

    let created = http.post("/admin/users").bearer(&token).json(&new).send().await;
    created.assert_status(201).assert_hardened();
    let user = created.json()["user"].clone();
    assert_eq!(created.json().get("password"), None, "a password that was given does not come back");
    let path = created.header("location").expect("a location").to_owned();
    assert_eq!(path, format!("/admin/users/{}", user["id"].as_str().expect("an id")));
    assert_eq!((&user["username"], &user["state"], &user["roles"]), (&json!("Ada"), &json!("active"), &json!(["editor"])));
    assert_eq!(user["etag"].as_str(), created.header("etag"));
    let tokens = stack.client().open_session("ada", PASSWORD).await;

    let read = http.get(&path).bearer(&token).send().await;
    assert_eq!((read.assert_ok(), read.header("etag")), (user.clone(), created.header("etag")));

    let renamed = json!({"display_name": "A. L.", "state": "active"});
    let changed = http.put(&path).bearer(&token).json(&renamed).send().await;
    assert_eq!(changed.assert_ok()["display_name"], "A. L.");
    assert_ne!(changed.header("etag"), created.header("etag"));
    stack.present(&tokens.access).await.assert_ok();

    let disabled = http.put(&path).bearer(&token).json(&json!({"state": "disabled"})).send().await.assert_ok();
    assert_eq!((&disabled["state"], disabled.get("display_name")), (&json!("disabled"), None));
    stack.client().refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&tokens.access).await;
    stack.client().password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_grant");

    http.delete(&path).bearer(&token).send().await.assert_status(204).assert_hardened();
    http.get(&path).bearer(&token).send().await.assert_problem(404);
    http.delete(&path).bearer(&token).send().await.assert_problem(404);
}

/// A.RR-09
#[tokio::test]
async fn a_deleted_users_tokens_are_revoked_and_the_record_keeps_the_id() {
    let (stack, token) = stack_and_token().await;
    let id = stack.user("ada", &["editor"]).await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;
    stack.present(&tokens.access).await.assert_ok();

    stack.auth().http().delete(&format!("/admin/users/{id}")).bearer(&token).send().await.assert_status(204);

    stack.client().refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&tokens.access).await;
    let event = stack.auth_home().database().row("SELECT actor, subject FROM audit_event WHERE action = 'user.delete'").await;
    assert_eq!(event.try_get::<String>("", "subject").expect("text"), id);
    let admin = tests::jwt::Token::read(&token).claims["sub"].clone();
    assert_eq!(admin, event.try_get::<String>("", "actor").expect("text"));
}

#[tokio::test]
async fn a_password_that_was_made_is_shown_once_and_only_good_for_choosing_another() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();

    let created = http.post("/admin/users").bearer(&token).json(&json!({"username": "ada", "roles": ["reader"]})).send().await;

    let made = created.assert_status(201).json()["password"].as_str().expect("a password").to_owned();
    assert!(made.len() >= 20, "{made}");
    assert_eq!(created.json()["user"]["must_change_password"], true);
    let path = created.header("location").expect("a location").to_owned();
    http.get(&path).bearer(&token).send().await.assert_no_echo(&made);
    stack.client().password("ada", &made).await.assert_oauth_error(400, "invalid_grant");

    let password = format!("{path}/password");
    let body = json!({"password": PASSWORD, "must_change": false});
    http.put(&password).bearer(&token).json(&body).send().await.assert_status(204);
    let tokens = stack.client().scope("account").open_session("ada", PASSWORD).await;
    let answer = http.put(&password).bearer(&token).json(&json!({})).send().await;
    assert!(answer.assert_ok()["password"].as_str().is_some_and(|made| made.len() >= 20));
    assert_eq!(http.get(&path).bearer(&token).send().await.assert_ok()["must_change_password"], true);
    stack.client().refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    for unacceptable in ["short", &"p".repeat(257), "ada-ada-ada-ada-ada"] {
        let answer = http.put(&password).bearer(&token).json(&json!({"password": unacceptable})).send().await;
        assert!(matches!(answer.status(), 400 | 422), "{answer}");
        answer.assert_problem(answer.status()).assert_no_echo(unacceptable);
    }
}

#[tokio::test]
async fn users_are_found_by_a_part_of_their_name_by_role_and_by_state_and_come_in_pages() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    for (name, role) in [("ada", "editor"), ("adam", "reader"), ("a_a", "reader"), ("Nevada", "reader")] {
        stack.user(name, &[role]).await;
    }
    stack.operator().enable_user("adam", false).await.expect("there is one");

    assert_eq!(names(&listed(http, &token, "?search=ADA").await), ["Nevada", "adam", "ada"]);
    assert_eq!(names(&listed(http, &token, "?search=a_a").await), ["a_a"], "an underscore is no wildcard");
    for literal in ["%25", "a%25a", "%5C", "_%25"] {
        assert_eq!(names(&listed(http, &token, &format!("?search={literal}")).await), [""; 0], "{literal}");
    }
    assert_eq!(names(&listed(http, &token, "?role=editor").await), ["ada"]);
    assert_eq!(names(&listed(http, &token, "?role=reader&state=active").await), ["Nevada", "a_a"]);
    assert_eq!(names(&listed(http, &token, "?state=disabled").await), ["adam"]);
    assert_eq!(names(&listed(http, &token, "?role=unheard-of").await), [""; 0]);

    let mut found = Vec::new();
    let mut next = Some("/admin/users?limit=2&role=reader".to_owned());
    while let Some(path) = next {
        let answer = http.get(&path).bearer(&token).send().await;
        found.push(names(&answer.assert_ok()).join(" "));
        next = answer.header("link").map(|link| link.trim_start_matches('<').split('>').next().expect("a URL").to_owned());
    }
    assert_eq!(found, ["Nevada a_a", "adam"]);
    for query in ["?limit=0", "?limit=101", "?cursor=x", "?cursor=AA", "?state=gone", "?search=", "?role="] {
        http.get(&format!("/admin/users{query}")).bearer(&token).send().await.assert_problem(400);
    }
}

#[tokio::test]
async fn roles_are_replaced_and_tokens_follow_at_the_next_refresh_or_at_once() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    let id = stack.user("ada", &["editor"]).await;
    let path = format!("/admin/users/{id}/roles");
    let tokens = stack.client().open_session("ada", PASSWORD).await;

    let roles = http.put(&path).bearer(&token).json(&json!({"roles": ["reader", "reader"]})).send().await;
    assert_eq!(roles.assert_ok(), json!({"roles": ["reader"]}));
    assert_eq!(http.get(&path).bearer(&token).send().await.header("etag"), roles.header("etag"));
    let refreshed = Tokens::of(&stack.client().refresh(&tokens.refresh).await);
    assert_eq!(tests::jwt::Token::read(&refreshed.access).claims["scope"], "documents:read");

    http.put(&format!("{path}?revoke=now")).bearer(&token).json(&json!({"roles": []})).send().await.assert_ok();
    stack.client().refresh(&refreshed.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&refreshed.access).await;

    http.put(&path).bearer(&token).json(&json!({"roles": ["unheard-of"]})).send().await.assert_problem(422);
    http.put(&format!("{path}?revoke=later")).bearer(&token).json(&json!({"roles": []})).send().await.assert_problem(400);
    http.put("/admin/users/usr_nobody/roles").bearer(&token).json(&json!({"roles": []})).send().await.assert_problem(404);
}

/// A.RR-18
#[tokio::test]
async fn sessions_are_seen_and_ended_one_by_one_or_all() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    let id = stack.user("ada", &["editor"]).await;
    let other = stack.user("rob", &["reader"]).await;
    let [first, second] =
        [stack.client().open_session("ada", PASSWORD).await, stack.client().open_session("ada", PASSWORD).await];
    let path = format!("/admin/users/{id}/sessions");

    let list = http.get(&path).bearer(&token).send().await;
    let sessions = list.assert_ok()["sessions"].as_array().expect("a list").clone();
    assert_eq!(sessions.len(), 2);
    list.assert_no_echo(&first.refresh).assert_no_echo(&second.refresh);
    assert_eq!(sessions[0]["client_id"], "first-party");
    let one = sessions.iter().map(|session| session["id"].as_str().expect("an id")).min().expect("two");

    let of_another = format!("/admin/users/{other}/sessions/{one}");
    http.delete(&of_another).bearer(&token).send().await.assert_problem(404);
    http.delete(&format!("{path}/{one}")).bearer(&token).send().await.assert_status(204);
    http.delete(&format!("{path}/{one}")).bearer(&token).send().await.assert_problem(404);
    stack.await_refusal(&first.access).await;
    stack.present(&second.access).await.assert_ok();

    http.delete(&path).bearer(&token).send().await.assert_status(204);
    stack.await_refusal(&second.access).await;
    assert_eq!(http.get(&path).bearer(&token).send().await.assert_ok(), json!({"sessions": []}));
    http.get("/admin/users/usr_nobody/sessions").bearer(&token).send().await.assert_problem(404);
}

#[tokio::test]
async fn a_um_08_of_many_who_create_one_name_one_succeeds() {
    let (stack, token) = stack_and_token().await;
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..50 {
        let name = if number % 2 == 0 { "ada" } else { "ADA" };
        let body = json!({"username": name, "password": PASSWORD});
        crowd.spawn(stack.auth().http().post("/admin/users").bearer(&token).json(&body).send());
    }

    let answers = crowd.join_all().await;

    assert_eq!(answers.iter().filter(|answer| answer.status() == 201).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status() != 201) {
        lost.assert_problem(409);
    }
    assert_eq!(stack.recorded("user.create", "ok", None).await, 2, "the administrator and one more");
}

#[tokio::test]
async fn a_um_15_a_change_in_between_is_not_lost() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    let id = stack.user("ada", &["reader"]).await;
    let path = format!("/admin/users/{id}");
    let tag = http.get(&path).bearer(&token).send().await.header("etag").expect("a version").to_owned();
    let details = json!({"display_name": "Ada", "state": "active"});

    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let roles = json!({"roles": ["editor"]});
        crowd.spawn(http.put(&path).bearer(&token).header("if-match", &tag).json(&details).send());
        crowd.spawn(http.put(&format!("{path}/roles")).bearer(&token).header("if-match", &tag).json(&roles).send());
    }
    let answers = crowd.join_all().await;

    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status() != 200) {
        lost.assert_problem(412);
    }
    let password = json!({"password": PASSWORD});
    http.put(&format!("{path}/password"))
        .bearer(&token)
        .header("if-match", &tag)
        .json(&password)
        .send()
        .await
        .assert_problem(412);
    http.delete(&path).bearer(&token).header("if-match", &tag).send().await.assert_problem(412);
    http.delete(&path).bearer(&token).header("if-match", "2").send().await.assert_problem(400);
    http.put(&path).bearer(&token).header("if-match", "*").json(&details).send().await.assert_ok();
    http.put(&path).bearer(&token).json(&details).send().await.assert_ok();
    let list = listed(http, &token, "?search=ada").await;
    let tag = list["users"][0]["etag"].as_str().expect("a version");
    http.delete(&path).bearer(&token).header("if-match", tag).send().await.assert_status(204);
}

#[tokio::test]
async fn a_um_16_every_write_leaves_one_record_of_who_did_it() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    let created = http.post("/admin/users").bearer(&token).json(&json!({"username": "ada"})).send().await;
    let path = created.header("location").expect("a location").to_owned();
    http.put(&path).bearer(&token).json(&json!({"state": "active"})).send().await.assert_ok();
    http.put(&format!("{path}/roles")).bearer(&token).json(&json!({"roles": ["reader"]})).send().await.assert_ok();
    http.put(&format!("{path}/password")).bearer(&token).json(&json!({})).send().await.assert_ok();
    http.delete(&format!("{path}/sessions")).bearer(&token).send().await.assert_status(204);
    let deleted = http.delete(&path).bearer(&token).send().await;
    deleted.assert_status(204);

    let sql = "SELECT action, outcome, actor, subject, ip, request_id FROM audit_event WHERE ip IS NOT NULL \
               AND action NOT IN ('login', 'authz.denied') ORDER BY id";
    let events = stack.auth_home().database().rows(sql).await;
    let text = |index: usize, column: &str| events[index].try_get::<String>("", column).expect("text");
    let actions: Vec<_> = (0..events.len()).map(|index| text(index, "action")).collect();
    assert_eq!(actions, ["user.create", "user.change", "user.set_roles", "user.set_password", "session.end", "user.delete"]);
    let admin = tests::jwt::Token::read(&token).claims["sub"].as_str().expect("a subject").to_owned();
    for index in 0..events.len() {
        assert_eq!((text(index, "actor"), text(index, "ip")), (admin.clone(), "127.0.0.1".to_owned()));
        assert_eq!(format!("/admin/users/{}", text(index, "subject")), path);
        assert_eq!(text(index, "outcome"), "ok");
    }
    assert_eq!(Some(text(events.len() - 1, "request_id").as_str()), deleted.header("x-request-id"));
}

#[tokio::test]
async fn a_um_16_a_write_whose_client_hung_up_is_recorded_if_it_was_made() {
    let (stack, token) = stack_and_token().await;
    let port = stack.auth_url().rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).expect("a port");

    for number in 0..20_u64 {
        let body = json!({"username": format!("user-{number}"), "password": PASSWORD}).to_string();
        let request = format!(
            "POST /admin/users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("the service accepts");
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        // Another moment each time, from before the request is read to after it was answered.
        sleep(Duration::from_millis(number)).await;
        if number == 19 {
            stream.read_u8().await.expect("an answer begins");
        }
    }
    // What was under way ends before a stop in good order does.
    let (home, _) = stack.stop().await;

    let text = |sql: &'static str| async {
        let rows = home.database().rows(sql).await;
        rows.iter().map(|row| row.try_get::<String>("", "id").expect("text")).collect::<BTreeSet<_>>()
    };
    let made = text(r#"SELECT id FROM "user" WHERE canonical LIKE 'user-%'"#).await;
    let recorded = text("SELECT subject AS id FROM audit_event WHERE action = 'user.create' AND ip IS NOT NULL").await;
    assert_eq!(made, recorded);
    assert!(!made.is_empty(), "who waited for the answer got what they asked for");
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused_and_the_refusal_recorded() {
    let stack = Stack::start().await;
    let token = stack.client().scope("account admin:clients admin:keys admin:audit").log_in("admin", ADMIN_PASSWORD).await;

    let answer = stack.auth().http().post("/admin/users").bearer(&token).json(&json!({"username": "ada"})).send().await;

    let challenge = answer.assert_challenge(403, Some("insufficient_scope"));
    assert_eq!(challenge.attribute("scope"), Some(SCOPE));
    assert_eq!(stack.recorded("authz.denied", "refused", Some("missing_scope")).await, 1);
}
