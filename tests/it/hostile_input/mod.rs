//! What no caller would send and every attacker does, at every operation that the two OpenAPI documents tell of, so that an
//! operation added tomorrow is attacked tomorrow (A.IF-02 to A.IF-05, A.IF-11, A.IF-12).

mod target;

use serde_json::json;
use tests::{PASSWORD, Stack};

use self::target::Target;

const AUTH_SCOPE: &str = "account admin:users admin:clients admin:keys admin:audit";
const API_SCOPE: &str = "documents:read documents:write documents:admin";

async fn stack() -> Stack {
    Stack::builder().auth(|config| config.registration = auth_service::Registration::Open).start().await
}

async fn all_targets(stack: &Stack) -> Vec<Target> {
    let auth = stack.auth().http();
    let token = stack.admin_token(AUTH_SCOPE).await;
    let mut all = Target::all(auth, &token).await;
    stack.user("hostile", &["admin"]).await;
    let token = stack.client().scope(API_SCOPE).log_in("hostile", PASSWORD).await;
    all.extend(Target::all(stack.api(), &token).await);
    assert!(all.len() > 50, "{} operations", all.len());
    all
}

fn taking_json(all: &[Target]) -> Vec<&Target> {
    let found: Vec<_> = all.iter().filter(|target| target.members.is_some()).collect();
    assert!(found.len() > 12, "{} operations take JSON", found.len());
    found
}

#[tokio::test]
async fn a_if_02_depth_width_and_length_exhaust_nothing() {
    let stack = stack().await;
    let all = all_targets(&stack).await;
    let wide = (0..10_000).map(|number| format!("\"k{number}\":1")).collect::<Vec<_>>().join(",");

    for target in taking_json(&all) {
        for (what, body) in [
            ("100,000 open arrays", "[".repeat(100_000)),
            ("100,000 open objects", "{\"a\":".repeat(100_000)),
            ("10,000 open arrays, which fit", "[".repeat(10_000)),
            ("5,000 objects in each other, which fit", format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000))),
            ("10,000 members", format!("{{{wide}}}")),
            ("a string of 1 MiB", format!("{{\"x\":\"{}\"}}", "a".repeat(1 << 20))),
        ] {
            target.assert_refused(&target.send_body(body).await, what, &[400, 413]);
        }
    }
    stack.await_ready().await;
}

#[tokio::test]
async fn a_if_03_a_value_of_another_type_is_not_taken_for_one() {
    let stack = stack().await;
    let all = all_targets(&stack).await;
    let mut tried = 0;

    for target in taking_json(&all) {
        for member in target.members.iter().flatten() {
            let wrong: &[&str] = match member.kind() {
                "string" => &["1", "-0", "1e400", "18446744073709551616", "NaN", "Infinity", "true", "[]", "{}", "[\"x\"]"],
                "integer" | "number" => {
                    &["\"1\"", "\"\"", "1e400", "18446744073709551616", "-0", "NaN", "true", "1.5", "[]", "{}"]
                }
                "boolean" => &["\"true\"", "\"\"", "0", "1", "1e400", "NaN", "[]", "{}"],
                "array" => &["\"x\"", "1", "1e400", "NaN", "true", "{}", "[1]", "[null]", "[true]", "[[]]", "[{}]"],
                _ => &["\"x\"", "1", "1e400", "NaN", "true", "[]"],
            };
            let null = member.is_required.then_some("null");
            for value in wrong.iter().copied().chain(null) {
                let answer = target.send_body(target.body_with(&member.name, value)).await;
                target.assert_refused(&answer, &format!("{} = {value}", member.name), &[400, 422]);
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried} values");
}

#[tokio::test]
async fn a_if_04_the_nul_character_gets_nowhere() {
    let stack = stack().await;
    let all = all_targets(&stack).await;

    for target in &all {
        for member in target.members.iter().flatten() {
            let value = match member.kind() {
                "array" => r#"["a\u0000b"]"#,
                _ => r#""a\u0000b""#,
            };
            let answer = target.send_body(target.body_with(&member.name, value)).await;
            assert_eq!(answer.status(), 400, "{}, {}\n{answer}", target.name(), member.name);
        }
        if target.members.is_some() {
            let answer = target.send_body(r#"{"a\u0000b":1}"#).await;
            assert_eq!(answer.status(), 400, "{}\n{answer}", target.name());
        }
        if target.has_parameters() {
            let answer = target.send(&target.path_with("a%00b"), "{}").await;
            assert_eq!(answer.status(), 400, "{}\n{answer}", target.name());
        }
        for query in target.queries.iter().map(String::as_str).chain(["unknown"]) {
            let path = format!("{}?{query}=a%00b", target.path_with("x"));
            let answer = target.send(&path, "{}").await;
            assert_eq!(answer.status(), 400, "{}\n{answer}", target.name());
        }
    }
    for name in ["username", "password", "scope", "client_id", "client_secret", "resource", "refresh_token"] {
        let form = format!("grant_type=password&username=a&password=b&{name}=a%00b");
        let answer = stack.auth().http().post("/oauth2/token").form_text(form).send().await;
        answer.assert_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_if_05_text_that_is_none_is_refused() {
    let stack = stack().await;
    let all = all_targets(&stack).await;

    for target in &all {
        for member in target.members.iter().flatten().filter(|member| member.kind() == "string") {
            let body = |bytes: &[u8]| {
                let body = target.body_with(&member.name, "\"@\"");
                let (before, behind) = body.split_once('@').expect("the mark");
                [before.as_bytes(), bytes, behind.as_bytes()].concat()
            };
            for (what, bytes) in [
                ("half a surrogate pair, escaped", &b"\\ud800"[..]),
                ("the other half", b"\\udc00x"),
                ("half a surrogate pair", b"\xed\xa0\x80"),
                ("an overlong slash", b"\xc0\xaf"),
                ("a stray byte", b"\xff"),
                ("a cut letter", b"\xf0\x9f\xa6"),
                ("a line break", b"a\nb"),
            ] {
                let answer = target.send_body(body(bytes)).await;
                assert_eq!(answer.status(), 400, "{}, {}: {what}\n{answer}", target.name(), member.name);
            }
        }
        for text in ["%ff", "%C0%AF", "%ED%A0%80", "%F0%9F%A6"] {
            if target.has_parameters() {
                let answer = target.send(&target.path_with(text), "{}").await;
                assert!(matches!(answer.status(), 400 | 404), "{} with {text}\n{answer}", target.name());
            }
            for query in &target.queries {
                let path = format!("{}?{query}={text}", target.path_with("x"));
                let answer = target.send(&path, "{}").await;
                assert_eq!(answer.status(), 400, "{path}\n{answer}");
            }
        }
    }
    for bytes in ["%ff", "%C0%AF", "%ED%A0%80", "%F0%9F%A6"] {
        let form = format!("grant_type=password&username=a&password={bytes}");
        let answer = stack.auth().http().post("/oauth2/token").form_text(form).send().await;
        answer.assert_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_if_05_text_is_kept_exactly() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;

    for text in
        ["%", "%zz", "a+b", "%2B", "é", "e\u{301}", "ﬁ", "Å\u{212b}", "\u{1f468}\u{200d}\u{1f469}", " ", "\\u0041", "a&b=c"]
    {
        let body = json!({"title": format!("x{text}"), "content": text});
        let created = stack.api().post("/documents").bearer(&token).json(&body).send().await;
        let id = created.assert_status(201).json()["id"].as_str().expect("an id").to_owned();
        let read = stack.api().get(&format!("/documents/{id}")).bearer(&token).send().await.assert_ok();
        assert_eq!((&read["title"], &read["content"]), (&body["title"], &body["content"]), "{text:?}");
    }
}

#[tokio::test]
async fn a_if_11_a_date_that_is_none_is_refused() {
    let stack = Stack::start().await;
    let token = stack.admin_token("admin:audit").await;
    let comments = format!("Sun, 06 Nov 1994 08:49:37 {}{} +0000", "(".repeat(300), ")".repeat(300));

    for name in ["since", "until"] {
        for date in [
            "9999999-01-01T00:00:00Z",
            "+9999999-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "-1",
            "0",
            "1e400",
            "18446744073709551616",
            "2016-12-31T23:59:61Z",
            "2016-06-15T12:00:60Z",
            "2026-01-01T00:00:00+99:99",
            "2026-01-01T00:00:00-24:00",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:01Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            &comments,
            "yesterday",
            "\u{0662}\u{0660}\u{0662}\u{0666}-01-01T00:00:00Z",
        ] {
            let date: String = url::form_urlencoded::byte_serialize(date.as_bytes()).collect();
            for path in ["/admin/audit-events", "/admin/audit-events/export"] {
                let answer = stack.auth().http().get(&format!("{path}?{name}={date}")).bearer(&token).send().await;
                answer.assert_problem(400);
            }
        }
        for date in ["2016-12-31T23:59:60Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00%2B02:00"] {
            let answer = stack.auth().http().get(&format!("/admin/audit-events?{name}={date}")).bearer(&token).send().await;
            answer.assert_ok();
        }
    }
}

/// Nothing here is matched by an expression that could try again, and no check looks at a text twice over: the answer to a
/// long text is a refusal like that of a short one. How quick it is, is measured and not tested.
#[tokio::test]
async fn a_if_12_a_long_text_that_almost_fits_is_refused_like_any_other() {
    let stack = stack().await;
    let all = all_targets(&stack).await;
    let long = format!("\"{}!\"", "a".repeat(50_000));

    for target in taking_json(&all) {
        let is_document = target.operation.path.starts_with("/documents");
        for member in target.members.iter().flatten().filter(|member| member.kind() == "string") {
            // A document may be as long as that.
            if is_document && member.name == "content" {
                continue;
            }
            let answer = target.send_body(target.body_with(&member.name, &long)).await;
            target.assert_refused(&answer, &member.name, &[400, 413, 422]);
        }
    }
    for name in ["username", "password", "scope", "client_id", "resource", "refresh_token"] {
        let form = format!("grant_type=password&username=a&password=b&{name}={}!", "a".repeat(50_000));
        stack.auth().http().post("/oauth2/token").form_text(form).send().await.assert_oauth_error(413, "invalid_request");
    }
}
