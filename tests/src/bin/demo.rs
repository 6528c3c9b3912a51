//! `cargo demo`: both services on embedded databases, and a told walk through them; then they stay up.
//!
//! Each step shows a request and its answer as a person with curl would see them. `cargo demo -- --once` ends after the walk.
//! Either way the exit code is 0 only if every answer was as told.

use std::{env, process::ExitCode, time::Duration};

use auth_service::HashCost;
use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, Answer, Call, PASSWORD, PEOPLE, Stack, Tokens, jwt::Token};
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

/// How often resource-service asks for revocations here, so that nobody has to wait for them long.
const STATUS_LIST_TTL: Duration = Duration::from_secs(1);

/// How long the walk waits for a revocation before it says that there was none.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answer's headers that the walk is about; the others would only hide them.
const TOLD_HEADERS: [&str; 5] = ["location", "etag", "cache-control", "www-authenticate", "retry-after"];

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let ends_after_the_walk = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--once"] => true,
        _ => {
            eprintln!("usage: cargo demo [-- --once]");
            return ExitCode::from(2);
        }
    };
    let stack = Stack::builder().embedded().prefer_ports(8080, 8081).auth(|config| {
        config.hash_cost = HashCost::default();
        config.status_list_ttl = STATUS_LIST_TTL;
    });
    let stack = stack.start().await;
    stack.welcome_people().await;
    println!("auth-service is at {}, resource-service at {}.", stack.auth_url(), stack.resource_url());

    let mut walk = Walk::default();
    walk.through(&stack).await;
    let exit = walk.summary();
    if !ends_after_the_walk {
        invite(&stack);
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("Ctrl-C cannot be waited for: {error}");
        }
    }
    stack.stop().await;
    exit
}

/// The walk: how far it went, and how often an answer was not as told.
#[derive(Default)]
struct Walk {
    steps: usize,
    surprises: usize,
}

impl Walk {
    async fn through(&mut self, stack: &Stack) {
        let rob = self.reader(stack).await;
        let ada = self.editor(stack, &rob).await;
        self.refusals(stack, &rob).await;
        self.stolen_session(stack, ada).await;
    }

    /// What a reader may do, and what not; returns his tokens.
    async fn reader(&mut self, stack: &Stack) -> Tokens {
        let api = stack.api();
        let login = stack.client().password_request("rob", PASSWORD);
        let tokens =
            self.log_in("Rob, a reader, logs in at auth-service with his password, and gets an access token.", login).await;
        let rob = &tokens.access;
        let claims = Token::read(rob).claims;
        self.tell(
            "To the API it is a signed statement: who, through which client, for which API, with which rights, until when.",
        );
        self.check(
            &indented(&pretty(&json!(claims))),
            &[r#""client_id": "first-party""#, r#""documents:read""#, r#""reader""#, stack.resource_url()],
        );
        let call = api.get("/documents").bearer(rob);
        self.step(
            "With it he reads his documents at resource-service, which verifies the token by itself.",
            call,
            &["200 OK", "documents"],
        )
        .await;
        let call = api.post("/documents").bearer(rob).json(&json!({"title": "Mine", "content": ""}));
        let told = ["403 Forbidden", r#"error="insufficient_scope""#, r#"scope="documents:write""#];
        self.step("He cannot write: readers do not have the scope for it.", call, &told).await;
        tokens
    }

    /// What an editor may do, and the administrator; returns the editor's tokens.
    async fn editor(&mut self, stack: &Stack, rob: &Tokens) -> Tokens {
        let api = stack.api();
        let login = stack.client().password_request("ada", PASSWORD);
        let tokens = self.log_in("Ada, an editor, logs in.", login).await;
        let ada = &tokens.access;
        let call = api.post("/documents").bearer(ada).json(&json!({"title": "Plan", "content": "First draft"}));
        let made = self.step("She can write.", call, &["201 Created", "location: /documents/doc_", "Plan"]).await;
        let path = made.header("location").unwrap_or("/documents/none").to_owned();
        let call = api.get(&path).bearer(&rob.access);
        self.step("The document is hers: to Rob it does not exist.", call, &["404 Not Found"]).await;
        let call = api.get("/admin/documents").bearer(ada);
        let told = ["403 Forbidden", r#"error="insufficient_scope""#, r#"scope="documents:admin""#];
        self.step("Everybody's documents are for administrators only.", call, &told).await;

        let login = stack.client().password_request("admin", ADMIN_PASSWORD);
        let admin = self.log_in("The administrator logs in.", login).await;
        let call = api.get("/admin/documents").bearer(&admin.access);
        self.step("The administrator sees them.", call, &["200 OK", "Plan"]).await;
        tokens
    }

    /// What gets nobody in.
    async fn refusals(&mut self, stack: &Stack, rob: &Tokens) {
        let api = stack.api();
        let call = stack.client().password_request("ada", "a wrong guess");
        self.step(
            "A wrong password: one answer for whatever is wrong with a login.",
            call,
            &["400 Bad Request", r#""error":"invalid_grant""#],
        )
        .await;
        let call = api.get("/documents");
        let told = ["401 Unauthorized", "www-authenticate: Bearer realm=", "resource_metadata="];
        self.step("Without a token the API says where to learn whom it trusts.", call, &told).await;
        let key = stack.auth_home().signing_key().await;
        let promoted = Token::read(&rob.access).claim("roles", json!(["admin"])).sign(&key);
        let call = api.get("/admin/documents").bearer(&with_signature_of(&promoted, &rob.access));
        let told = ["401 Unauthorized", r#"error="invalid_token""#, "signature"];
        self.step("A tampered token: Rob's, with another role written into it.", call, &told).await;
        // Tokens live for minutes. The demo is the issuer's operator and has its key, so it need not wait.
        let expired = Token::read(&rob.access).moved(-3600).sign(&key);
        let call = api.get("/documents").bearer(&expired);
        let told = ["401 Unauthorized", r#"error="invalid_token""#, "expired"];
        self.step("An expired token: Rob's as it was an hour ago, signed with the issuer's own key.", call, &told).await;
    }

    /// What happens when somebody shows a refresh token that was used before.
    async fn stolen_session(&mut self, stack: &Stack, first: Tokens) {
        let client = stack.client();
        let refused = ["400 Bad Request", r#""error":"invalid_grant""#];
        let call = client.refresh_request(&first.refresh);
        let second = self.log_in("Ada's client shows its refresh token, and gets the next pair of tokens.", call).await;
        let call = client.refresh_request(&second.refresh);
        let third = self.log_in("Each refresh token is good for one time. It is time for the next.", call).await;
        let call = client.refresh_request(&first.refresh);
        self.step("Somebody has stolen the first one and shows it now: too late.", call, &refused).await;
        let call = client.refresh_request(&third.refresh);
        self.step("Who is the thief cannot be known, so the whole session has ended.", call, &refused).await;
        let call = stack.api().get("/documents").bearer(&third.access);
        let told = ["401 Unauthorized", r#"error="invalid_token""#, "revoked"];
        self.step_until_refused(
            "Her access tokens have ended, too: within a second or so, resource-service has heard of it.",
            call,
            &told,
        )
        .await;
    }

    /// A step that yields tokens.
    async fn log_in(&mut self, told: &str, call: Call) -> Tokens {
        let expected = ["200 OK", "cache-control: no-store", r#""token_type":"Bearer""#, "access_token", "refresh_token"];
        let answer = self.step(told, call, &expected).await;
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        // A walk that has gone wrong goes on, so that the rest of it can be seen, too.
        let token = |name| body[name].as_str().unwrap_or("e30.e30.").to_owned();
        Tokens { access: token("access_token"), refresh: token("refresh_token") }
    }

    /// The same as a step, for what takes effect a moment later: the request is repeated until it is refused.
    async fn step_until_refused(&mut self, told: &str, call: Call, expected: &[&str]) -> Answer {
        let began = Instant::now();
        while began.elapsed() < PATIENCE && call.clone().send().await.status() == 200 {
            sleep(STATUS_LIST_TTL / 10).await;
        }
        self.step(told, call, expected).await
    }

    /// Makes a request, shows it and its answer, and checks that the answer has all of this in it.
    async fn step(&mut self, told: &str, call: Call, expected: &[&str]) -> Answer {
        self.tell(told);
        println!("{}\n", shortened(&indented(&format!("$ {}", as_curl(&call)))));
        let answer = call.send().await;
        self.check(&indented(&as_seen(&answer)), expected);
        answer
    }

    fn tell(&mut self, told: &str) {
        self.steps += 1;
        println!("\n{}. {told}\n", self.steps);
    }

    /// Shows a text, and checks that it has all of this in it.
    fn check(&mut self, text: &str, expected: &[&str]) {
        println!("{}", shortened(text));
        for missing in expected.iter().filter(|part| !text.contains(**part)) {
            self.surprises += 1;
            println!("   !!! not as told: `{missing}` is missing");
        }
    }

    fn summary(&self) -> ExitCode {
        if self.surprises == 0 {
            println!("\nAll {} steps went as told.", self.steps);
            return ExitCode::SUCCESS;
        }
        println!("\n{} things in {} steps were not as told.", self.surprises, self.steps);
        ExitCode::FAILURE
    }
}

/// Says what can be tried now.
fn invite(stack: &Stack) {
    println!("\nNow it is yours, until Ctrl-C. Log in with \"Authorize\" in either Swagger UI:\n");
    println!("   {}/docs     auth-service", stack.auth_url());
    println!("   {}/docs     resource-service", stack.resource_url());
    println!("\nor in a terminal: export AUTH={} API={}\n", stack.auth_url(), stack.resource_url());
    println!("   {:8} {:8} password", "user", "role");
    for (username, role) in PEOPLE {
        println!("   {username:8} {role:8} {PASSWORD}");
    }
    println!("   {:8} {:8} {ADMIN_PASSWORD}", "admin", "admin");
}

/// A token that says what one says, with the signature of another.
fn with_signature_of(token: &str, other: &str) -> String {
    let (said, _) = token.rsplit_once('.').unwrap_or_default();
    let (_, signature) = other.rsplit_once('.').unwrap_or_default();
    format!("{said}.{signature}")
}

/// A request as one would make it with curl.
fn as_curl(call: &Call) -> String {
    let mut words = vec!["curl -i".to_owned()];
    for (name, value) in call.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        if !value.contains("form-urlencoded") {
            words.push(format!("-H '{name}: {value}'"));
        }
    }
    match call.text() {
        Some(body) if body.starts_with('{') => words.push(format!("-d '{body}'")),
        Some(form) => words.extend(form_urlencoded::parse(form.as_bytes()).map(|(name, value)| {
            let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if is_plain { format!("-d {name}={value}") } else { format!("--data-urlencode {name}='{value}'") }
        })),
        None => {}
    }
    words.push(call.url());
    words.join(" ")
}

/// An answer as curl shows it, less the headers that the walk is not about.
fn as_seen(answer: &Answer) -> String {
    let status = reqwest::StatusCode::from_u16(answer.status()).ok().and_then(|status| status.canonical_reason());
    let mut lines = vec![format!("HTTP/1.1 {} {}", answer.status(), status.unwrap_or_default())];
    lines.extend(TOLD_HEADERS.into_iter().filter_map(|name| answer.header(name).map(|value| format!("{name}: {value}"))));
    lines.extend([String::new(), String::from_utf8_lossy(answer.body()).into_owned()]);
    lines.join("\n")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON can be written")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The same with tokens cut to what fits a line.
fn shortened(text: &str) -> String {
    const KEPT: usize = 24;
    let mut short = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find("eyJ") {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let length = rest[begin..].find(|c| !is_token(c)).unwrap_or(rest.len() - begin);
        let (token, behind) = rest[begin..].split_at(length);
        short += &rest[..begin];
        short += &token[..length.min(KEPT)];
        if length > KEPT {
            short.push('…');
        }
        rest = behind;
    }
    short + rest
}
