//! What no caller would send and every attacker does, at every operation that the two OpenAPI documents tell of, so that an
//! operation added tomorrow is attacked tomorrow (A.IF-02 to A.IF-05, A.IF-11, A.IF-12).

use serde_json::{Value, json};
use tests::{Answer, Http, PASSWORD, Stack};

const AUTH_SCOPE: &str = "account admin:users admin:clients admin:keys admin:audit";
const API_SCOPE: &str = "documents:read documents:write documents:admin";

/// An operation of one of the services, as its document describes it.
struct Operation {
    http: Http,
    token: String,
    method: String,
    path: String,
    /// The members of its JSON body, with their schemas, and whether each is required; nothing if it takes none.
    members: Option<Vec<Member>>,
    queries: Vec<String>,
}

#[derive(Clone)]
struct Member {
    name: String,
    schema: Value,
    is_required: bool,
}

impl Member {
    fn kind(&self) -> &str {
        self.schema["type"].as_str().unwrap_or("object")
    }

    /// A value of the right type.
    fn plain(&self) -> String {
        if let Some(first) = self.schema["enum"].get(0) {
            return first.to_string();
        }
        match self.kind() {
            "string" => r#""x""#.to_owned(),
            "integer" | "number" => "1".to_owned(),
            "boolean" => "true".to_owned(),
            "array" => "[]".to_owned(),
            _ => "{}".to_owned(),
        }
    }
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its path, with the same in the place of every parameter.
    fn path_with(&self, value: &str) -> String {
        let mut path = self.path.clone();
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, value);
        }
        path
    }

    /// Its body, where `member` has this value, in JSON or in what pretends to be, and every other required one a plain one.
    fn body_with(&self, member: &str, value: &str) -> String {
        let members = self.members.iter().flatten().filter(|other| other.is_required || other.name == member);
        let written = members.map(|other| {
            let value = if other.name == member { value.to_owned() } else { other.plain() };
            format!("{}:{value}", json!(other.name))
        });
        format!("{{{}}}", written.collect::<Vec<_>>().join(","))
    }

    async fn send(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.http.request(&self.method, path).bearer(&self.token).body("application/json", body).send().await
    }

    async fn send_body(&self, body: impl AsRef<[u8]>) -> Answer {
        self.send(&self.path_with("x"), body).await
    }

    /// Nobody but a thing that is not there can say no before the body has been read.
    fn assert_refused(&self, answer: &Answer, what: &str, statuses: &[u16]) {
        let is_refused = statuses.contains(&answer.status()) || (answer.status() == 404 && self.path.contains('{'));
        assert!(is_refused, "{} with {what}\n{answer}", self.name());
        answer.assert_problem(answer.status());
    }
}

/// Every operation that an administrator may call at this service.
async fn operations(http: &Http, token: &str) -> Vec<Operation> {
    let document = http.get("/openapi.json").send().await.assert_ok();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if path.starts_with("/oauth2/") || path.starts_with("/.well-known/") {
                continue;
            }
            let schema = &operation["requestBody"]["content"].as_object().and_then(|types| types.values().next()).cloned();
            let members = schema.as_ref().map(|media_type| members(&document, &media_type["schema"]));
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let is_query = |parameter: &&Value| parameter["in"] == "query";
            let queries = parameters.iter().filter(is_query).filter_map(|parameter| parameter["name"].as_str());
            operations.push(Operation {
                http: http.clone(),
                token: token.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                members,
                queries: queries.map(str::to_owned).collect(),
            });
        }
    }
    operations
}

fn members(document: &Value, schema: &Value) -> Vec<Member> {
    let schema = resolved(document, schema);
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let read = |(name, schema): (&String, &Value)| Member {
        name: name.clone(),
        schema: resolved(document, schema),
        is_required: required.contains(&name.as_str()),
    };
    properties.map(read).collect()
}

fn resolved(document: &Value, schema: &Value) -> Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    match reference.and_then(|reference| reference.strip_prefix("#/components/schemas/")) {
        Some(name) => resolved(document, &document["components"]["schemas"][name]),
        None => schema.clone(),
    }
}

async fn stack() -> Stack {
    Stack::builder().auth(|config| config.registration = auth_service::Registration::Open).start().await
}

async fn all_operations(stack: &Stack) -> Vec<Operation> {
    let auth = stack.auth().http();
    let token = stack.admin_token(AUTH_SCOPE).await;
    let mut all = operations(auth, &token).await;
    stack.user("hostile", &["admin"]).await;
    let token = stack.client().scope(API_SCOPE).log_in("hostile", PASSWORD).await;
    all.extend(operations(stack.api(), &token).await);
    assert!(all.len() > 50, "{} operations", all.len());
    all
}

fn taking_json(all: &[Operation]) -> Vec<&Operation> {
    let found: Vec<_> = all.iter().filter(|operation| operation.members.is_some()).collect();
    assert!(found.len() > 12, "{} operations take JSON", found.len());
    found
}

#[tokio::test]
async fn a_if_02_depth_width_and_length_exhaust_nothing() {
    let stack = stack().await;
    let all = all_operations(&stack).await;
    let wide = (0..10_000).map(|number| format!("\"k{number}\":1")).collect::<Vec<_>>().join(",");

    for operation in taking_json(&all) {
        for (what, body) in [
            ("100,000 open arrays", "[".repeat(100_000)),
            ("100,000 open objects", "{\"a\":".repeat(100_000)),
            ("10,000 open arrays, which fit", "[".repeat(10_000)),
            ("5,000 objects in each other, which fit", format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000))),
            ("10,000 members", format!("{{{wide}}}")),
            ("a string of 1 MiB", format!("{{\"x\":\"{}\"}}", "a".repeat(1 << 20))),
        ] {
            operation.assert_refused(&operation.send_body(body).await, what, &[400, 413]);
        }
    }
    stack.await_ready().await;
}

#[tokio::test]
async fn a_if_03_a_value_of_another_type_is_not_taken_for_one() {
    let stack = stack().await;
    let all = all_operations(&stack).await;
    let mut tried = 0;

    for operation in taking_json(&all) {
        for member in operation.members.iter().flatten() {
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
                let answer = operation.send_body(operation.body_with(&member.name, value)).await;
                operation.assert_refused(&answer, &format!("{} = {value}", member.name), &[400, 422]);
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried} values");
}

#[tokio::test]
async fn a_if_04_the_nul_character_gets_nowhere() {
    let stack = stack().await;
    let all = all_operations(&stack).await;

    for operation in &all {
        for member in operation.members.iter().flatten() {
            let value = match member.kind() {
                "array" => r#"["a\u0000b"]"#,
                _ => r#""a\u0000b""#,
            };
            let answer = operation.send_body(operation.body_with(&member.name, value)).await;
            assert_eq!(answer.status(), 400, "{}, {}\n{answer}", operation.name(), member.name);
        }
        if operation.members.is_some() {
            let answer = operation.send_body(r#"{"a\u0000b":1}"#).await;
            assert_eq!(answer.status(), 400, "{}\n{answer}", operation.name());
        }
        if operation.path.contains('{') {
            let answer = operation.send(&operation.path_with("a%00b"), "{}").await;
            assert_eq!(answer.status(), 400, "{}\n{answer}", operation.name());
        }
        for query in operation.queries.iter().map(String::as_str).chain(["unknown"]) {
            let path = format!("{}?{query}=a%00b", operation.path_with("x"));
            let answer = operation.send(&path, "{}").await;
            assert_eq!(answer.status(), 400, "{}\n{answer}", operation.name());
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
    let all = all_operations(&stack).await;

    for operation in &all {
        for member in operation.members.iter().flatten().filter(|member| member.kind() == "string") {
            let body = |bytes: &[u8]| {
                let body = operation.body_with(&member.name, "\"@\"");
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
                let answer = operation.send_body(body(bytes)).await;
                assert_eq!(answer.status(), 400, "{}, {}: {what}\n{answer}", operation.name(), member.name);
            }
        }
        for text in ["%ff", "%C0%AF", "%ED%A0%80", "%F0%9F%A6"] {
            if operation.path.contains('{') {
                let answer = operation.send(&operation.path_with(text), "{}").await;
                assert!(matches!(answer.status(), 400 | 404), "{} with {text}\n{answer}", operation.name());
            }
            for query in &operation.queries {
                let path = format!("{}?{query}={text}", operation.path_with("x"));
                let answer = operation.send(&path, "{}").await;
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
    let all = all_operations(&stack).await;
    let long = format!("\"{}!\"", "a".repeat(50_000));

    for operation in taking_json(&all) {
        let is_document = operation.path.starts_with("/documents");
        for member in operation.members.iter().flatten().filter(|member| member.kind() == "string") {
            // A document may be as long as that.
            if is_document && member.name == "content" {
                continue;
            }
            let answer = operation.send_body(operation.body_with(&member.name, &long)).await;
            operation.assert_refused(&answer, &member.name, &[400, 413, 422]);
        }
    }
    for name in ["username", "password", "scope", "client_id", "resource", "refresh_token"] {
        let form = format!("grant_type=password&username=a&password=b&{name}={}!", "a".repeat(50_000));
        stack.auth().http().post("/oauth2/token").form_text(form).send().await.assert_oauth_error(413, "invalid_request");
    }
}
