//! What administrators' requests may hold: everything that can be stored exactly, and nothing that could be read otherwise
//! (A.UM-03, A.UM-12, A.UM-13, A.IF-02 to A.IF-05).

use serde_json::{Value, json};
use tests::{PASSWORD, Stack};

const SCOPE: &str = "admin:users admin:clients admin:keys";

/// Texts that would do harm if a statement, a pattern or a path were made of them.
const INJECTIONS: [&str; 16] = [
    "'",
    "''",
    "' OR '1'='1",
    "' OR 1=1--",
    "\" OR \"\"=\"",
    "'; DROP TABLE user; --",
    "'; DELETE FROM session WHERE '1'='1",
    "') UNION SELECT password_hash FROM user--",
    "1; SELECT pg_sleep(5)--",
    "'||(SELECT pg_sleep(5))||'",
    "' AND randomblob(500000000)--",
    "admin'/*",
    "\\'; SELECT 1; --",
    "%' ESCAPE '!",
    "$1",
    "../../etc/passwd",
];

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

async fn rights(stack: &Stack) -> Vec<(String, usize)> {
    let dump = stack.auth_home().database().dump().await;
    let stable = |table: &str| !["audit_event", "status_block", "status_list"].contains(&table);
    dump.into_iter().filter(|(table, _)| stable(table)).map(|(table, rows)| (table, rows.len())).collect()
}

#[tokio::test]
async fn a_um_12_no_parameter_is_taken_for_sql() {
    let stack = Stack::start().await;
    let token = stack.admin_token(SCOPE).await;
    let http = stack.auth().http();
    let before = rights(&stack).await;

    for text in INJECTIONS {
        let part = encoded(text);
        for path in [
            format!("/admin/users?search={part}"),
            format!("/admin/users?role={part}"),
            format!("/admin/users?state={part}"),
            format!("/admin/users?cursor={part}"),
            format!("/admin/roles?cursor={part}"),
            format!("/admin/clients?cursor={part}"),
            format!("/admin/resources?cursor={part}"),
            format!("/admin/users/{part}"),
            format!("/admin/users/{part}/roles"),
            format!("/admin/users/{part}/sessions"),
            format!("/admin/roles/{part}"),
            format!("/admin/clients/{part}"),
            format!("/admin/clients/{part}/secrets"),
            format!("/admin/resources/{part}"),
        ] {
            let answer = http.get(&path).bearer(&token).send().await;
            let is_empty_list = answer.status() == 200 && answer.json()["users"] == json!([]);
            assert!(is_empty_list || matches!(answer.status(), 400 | 404), "{answer}");
        }
        for (path, body) in [
            ("/admin/users", json!({"username": text})),
            ("/admin/users", json!({"username": "eve", "roles": [text]})),
            ("/admin/roles", json!({"name": text, "scopes": []})),
            ("/admin/roles", json!({"name": "x", "scopes": [text]})),
            ("/admin/clients", json!({"id": text, "kind": "public"})),
            ("/admin/clients", json!({"id": "tool", "kind": "public", "grants": [text]})),
            ("/admin/clients", json!({"id": "tool", "kind": "public", "scopes": [text]})),
            ("/admin/clients", json!({"id": "tool", "kind": "public", "roles": [text]})),
            ("/admin/clients", json!({"id": "tool", "kind": "public", "default_resource": text})),
            ("/admin/clients", json!({"id": "tool", "kind": "public", "serves": text})),
            ("/admin/clients", json!({"id": "tool", "kind": "public", "cors_origins": [text]})),
            ("/admin/resources", json!({"id": text, "scopes": []})),
        ] {
            let answer = http.post(path).bearer(&token).json(&body).send().await;
            assert!(matches!(answer.status(), 400 | 403 | 422), "{body}\n{answer}");
            answer.assert_problem(answer.status());
        }
        let deleted = http.delete(&format!("/admin/users/{part}")).bearer(&token).send().await;
        deleted.assert_problem(404);
        http.post(&format!("/admin/signing-keys/{part}/revoke")).bearer(&token).send().await.assert_problem(404);
    }

    assert_eq!(rights(&stack).await, before);
}

#[tokio::test]
async fn a_um_03_what_cannot_be_set_is_refused_by_name() {
    let stack = Stack::start().await;
    let token = stack.admin_token(SCOPE).await;
    let http = stack.auth().http();
    let id = stack.user("ada", &["reader"]).await;

    for member in ["id", "is_admin", "password_hash", "locked_until", "created_at", "generation", "version", "etag"] {
        for (method, path, mut body) in [
            ("POST", "/admin/users".to_owned(), json!({"username": "eve"})),
            ("PUT", format!("/admin/users/{id}"), json!({"state": "active"})),
            ("PUT", format!("/admin/users/{id}/roles"), json!({"roles": []})),
            ("PUT", format!("/admin/users/{id}/password"), json!({})),
        ] {
            body[member] = json!(1);
            let answer = http.request(method, &path).bearer(&token).json(&body).send().await;
            answer.assert_problem(400);
            // Names of ours are named; others are the client's own, and do not come back.
            match member {
                "id" | "created_at" | "etag" => assert_eq!(answer.json()["errors"][0]["field"], member, "{answer}"),
                _ => {
                    answer.assert_no_echo(member);
                }
            }
        }
    }
    let answer = http.post("/admin/users").bearer(&token).json(&json!({"username": "eve", "<script>": 1})).send().await;
    answer.assert_problem(400).assert_no_echo("script");
    assert_eq!(
        http.get(&format!("/admin/users/{id}/roles")).bearer(&token).send().await.assert_ok(),
        json!({"roles": ["reader"]})
    );
}

#[tokio::test]
async fn a_body_that_two_readers_could_read_differently_is_refused() {
    let stack = Stack::start().await;
    let token = stack.admin_token(SCOPE).await;
    let post = |body: &str| stack.auth().http().post("/admin/users").bearer(&token).body("application/json", body).send();

    for body in [
        r#"{"username":"eve","username":"eva"}"#,
        r#"{"username":"eve","roles":["reader"],"roles":[]}"#,
        r#"{"username":"eve","\u0075sername":"eva"}"#,
        r#"{"username":"eve\u0000"}"#,
        r#"{"username":"eve","display_name":"\ud800"}"#,
        r#"{"username":"eve","display_name":1}"#,
        r#"{"username":"eve","must_change_password":"true"}"#,
        r#"{"username":"eve","must_change_password":1}"#,
        r#"{"username":"eve","roles":"reader"}"#,
        r#"{"username":"eve","roles":[1e400]}"#,
        r#"{"username":["eve"]}"#,
        r#"{"username":null}"#,
        r#"["eve"]"#,
        "",
    ] {
        post(body).await.assert_problem(400);
    }
    let wide = (0..5_000).map(|number| format!("\"k{number}\":1,")).collect::<Vec<_>>().concat();
    post(&format!("{{{wide}\"username\":\"eve\"}}")).await.assert_problem(400);
    post(&format!("{{\"username\":{}", "[".repeat(10_000))).await.assert_problem(400);
    post(&format!("{{\"username\":\"{}\"}}", "a".repeat(100_000))).await.assert_problem(413);
    assert_eq!(stack.recorded("user.create", "ok", None).await, 1, "the administrator");
}

#[tokio::test]
async fn a_name_to_show_is_kept_exactly_or_refused() {
    let stack = Stack::start().await;
    let token = stack.admin_token(SCOPE).await;
    let id = stack.user("ada", &["reader"]).await;
    let path = format!("/admin/users/{id}");
    let put = |name: Value| {
        let body = json!({"display_name": name, "state": "active"});
        stack.auth().http().put(&path).bearer(&token).json(&body).send()
    };

    for name in ["Ada", " Ådå ", "e\u{301}", "'; DROP TABLE user; --", "<b>Ada</b>", "🦀", "אדה", &"ü".repeat(128)] {
        assert_eq!(put(json!(name)).await.assert_ok()["display_name"], name);
    }
    for name in ["", "ü\u{202e}", "a\nb", "\u{200b}", "a\u{feff}", &"ü".repeat(129)] {
        let answer = put(json!(name)).await;
        assert!(matches!(answer.status(), 400 | 422), "{name:?}\n{answer}");
    }
    put(json!("  ")).await.assert_problem(422);
}

#[tokio::test]
async fn a_path_that_names_nothing_is_not_found() {
    let stack = Stack::start().await;
    let token = stack.admin_token(SCOPE).await;

    for (path, statuses) in [
        ("/admin/users/%00", [400, 400]),
        ("/admin/users/%ff", [400, 404]),
        ("/admin/users/%C0%AF", [400, 404]),
        ("/admin/users/%", [400, 404]),
        ("/admin/users/%zz", [400, 404]),
        ("/admin/users/..%2f..%2fetc", [404, 404]),
        ("/admin/users/%252e%252e", [404, 404]),
        ("/admin/users/usr_x/", [404, 404]),
        ("/admin/users//roles", [404, 404]),
        ("/admin//users", [404, 404]),
        ("/admin/roles/%F0%9F%A6%80", [404, 404]),
    ] {
        let answer = stack.auth().http().get(path).bearer(&token).send().await;
        assert!(statuses.contains(&answer.status()), "{answer}");
        answer.assert_problem(answer.status());
    }
}

#[tokio::test]
async fn a_um_13_no_answer_holds_a_hash_or_an_internal_column() {
    let stack = Stack::start().await;
    let token = stack.admin_token(SCOPE).await;
    let http = stack.auth().http();
    let id = stack.user("ada", &["editor"]).await;
    stack.app("app").await;
    stack.client().open_session("ada", PASSWORD).await;

    for path in [
        "/admin/users",
        &format!("/admin/users/{id}"),
        &format!("/admin/users/{id}/roles"),
        &format!("/admin/users/{id}/sessions"),
        "/admin/roles",
        "/admin/roles/admin",
        "/admin/clients",
        "/admin/clients/app",
        "/admin/clients/app/secrets",
        "/admin/resources",
        "/admin/signing-keys",
    ] {
        let answer = http.get(path).bearer(&token).send().await;
        answer.assert_ok();
        answer.assert_hardened();
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer}");
        for internal in
            ["argon2", "digest", "hash", "generation", "canonical", "sealed", "seed", "cs_", "rt_", "public_jwk", "slot"]
        {
            answer.assert_no_echo(internal);
        }
    }
}
