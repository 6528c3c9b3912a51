//! What every answer has in common, and what no request can do to a service (RFC 9110, RFC 9112).

use serde_json::json;
use shared::server::rate_limit::rules;
use tests::{AuthHome, PASSWORD, ResourceHome, Stack, wire};

/// A.CH-05.
#[tokio::test]
async fn every_answer_carries_the_security_headers_and_no_banner() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let (auth, api) = (stack.auth().http(), stack.api());

    for call in [
        auth.get("/.well-known/jwks.json"),
        auth.get("/.well-known/oauth-authorization-server"),
        auth.get("/health/live"),
        auth.get("/health/ready"),
        auth.get("/openapi.json"),
        auth.get("/account"),
        auth.get("/nowhere"),
        auth.get("/oauth2/token"),
        stack.client().password_request("emil", PASSWORD),
        stack.client().password_request("emil", "wrong"),
        stack.client().public("nobody").password_request("emil", PASSWORD),
        auth.request("OPTIONS", "/account"),
        api.get("/.well-known/oauth-protected-resource"),
        api.get("/documents").bearer(&token),
        api.get("/documents"),
        api.post("/documents").bearer(&token).json(&json!({"title": "x", "content": ""})),
        api.post("/documents").bearer(&token).body("application/json", "{"),
        api.post("/documents").bearer(&token).body("application/json", "x".repeat(1 << 20)),
        api.get(&format!("/{}", "x".repeat(5000))),
        api.get("/me").header("x-padding", "x".repeat(17_000)),
        api.request("BREW", "/me"),
        api.get("/admin/documents").bearer(&token),
    ] {
        let answer = call.send().await;
        answer.assert_hardened();
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"), "{answer}");
        assert_eq!(answer.header("strict-transport-security"), None, "not without TLS:\n{answer}");
    }
}

/// A.CH-05, where the service is in trouble or a client is too busy.
#[tokio::test]
async fn refusals_for_now_carry_them_too() {
    let (auth_home, home) = (AuthHome::new().await, ResourceHome::new().await);
    let limits = "ip /.well-known/ 1/hour, ip /oauth2/ 1/hour";
    let auth = auth_home.start(|config| config.rate_limits = rules(limits).expect("these are rules"));
    let auth = auth.await.expect("it starts");
    let lonely = home.start("http://localhost:1", |_| {}).await.expect("it starts without its issuer");

    for (call, status) in [
        (auth.http().get("/.well-known/jwks.json"), 200),
        (auth.http().get("/.well-known/jwks.json"), 429),
        (auth.client().password_request("emil", "wrong"), 400),
        (auth.client().password_request("emil", "wrong"), 429),
        (lonely.http().get("/health/ready"), 503),
    ] {
        let answer = call.send().await;
        answer.assert_status(status).assert_hardened();
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"), "{answer}");
        assert_eq!(answer.header("retry-after").is_some(), matches!(status, 429 | 503), "{answer}");
    }
}

#[tokio::test]
async fn no_two_requests_have_one_identifier() {
    let stack = Stack::start().await;

    let first = stack.api().get("/health/live").send().await;
    let second = stack.api().get("/health/live").header("x-request-id", "mine").send().await;

    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    second.assert_no_echo("mine");
}

/// A.CH-04.
#[tokio::test]
async fn a_method_that_cannot_be_used_is_refused() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;

    for (path, allow) in [
        ("/me", "GET, HEAD"),
        ("/documents", "GET, HEAD, POST"),
        ("/documents/doc_x", "DELETE, GET, HEAD, PUT"),
        ("/health/live", "GET, HEAD"),
    ] {
        for method in ["PATCH", "TRACE"] {
            let answer = stack.api().request(method, path).bearer(&token).send().await;
            answer.assert_problem(405);
            let mut methods: Vec<_> = answer.header("allow").expect("it says what is allowed").split(", ").collect();
            methods.sort_unstable();
            assert_eq!(methods.join(", "), allow, "{method} {path}");
        }
    }
    for method in ["BREW", "get", "PROPFIND"] {
        let answer = stack.api().request(method, "/me").bearer(&token).send().await;
        assert!(matches!(answer.status(), 405 | 501), "{method}\n{answer}");
    }
    let overridden = stack
        .api()
        .get("/documents")
        .bearer(&token)
        .header("x-http-method-override", "DELETE")
        .header("x-method-override", "POST");
    overridden.send().await.assert_ok();
    for target in ["localhost:1", "/me"] {
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = wire::send(stack.api(), request).await;
        assert!(matches!(wire::status(&answer), Some(400 | 404 | 405)), "{answer}");
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let stack = Stack::start().await;

    for (http, path) in [
        (stack.auth().http(), "/.well-known/jwks.json"),
        (stack.auth().http(), "/health/live"),
        (stack.api(), "/.well-known/oauth-protected-resource"),
    ] {
        let (get, head) = (http.get(path).send().await, http.request("HEAD", path).send().await);
        assert_eq!((head.status(), head.text()), (get.status(), ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

/// A.CH-10.
#[tokio::test]
async fn a_request_that_two_servers_would_read_differently_is_refused_and_nothing_behind_it_is_answered() {
    let stack = Stack::start().await;
    let hidden = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = |headers: &str, body: &str| format!("POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}");

    for request in [
        post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{hidden}")),
        post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("0\r\n\r\n{hidden}")),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &format!("0\r\n\r\n{hidden}")),
        post("Transfer-Encoding: chunked, identity\r\n", &format!("0\r\n\r\n{hidden}")),
        post("Transfer-Encoding: identity\r\n", hidden),
        post("Transfer-Encoding: \u{b}chunked\r\n", &format!("0\r\n\r\n{hidden}")),
        post("Content-Length: 0\r\nContent-Length: 5\r\n", hidden),
        post("Content-Length: +5\r\n", hidden),
        post("Content-Length: 5, 6\r\n", hidden),
        post("Content-Length: -1\r\n", hidden),
        post("Content-Length : 0\r\n", hidden),
        post("X-Folded: a\r\n b\r\nContent-Length: 0\r\n", hidden),
        post("Transfer-Encoding: chunked\r\n", &format!("zz\r\n\r\n0\r\n\r\n{hidden}")),
        // A chunk's extension whose line ends where some servers see an end and others do not; a length that overflows.
        post("Transfer-Encoding: chunked\r\n", &format!("2;x\nyy\r\n0\r\n\r\n{hidden}")),
        post("Transfer-Encoding: chunked\r\n", &format!("1;{}\r\nx\r\n0\r\n\r\n{hidden}", "x".repeat(64 * 1024))),
        post("Transfer-Encoding: chunked\r\n", &format!("10000000000000001\r\nx\r\n0\r\n\r\n{hidden}")),
        format!("GET /health/live HTTP/1.1\nHost: localhost\n\n{hidden}"),
        format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\n{hidden}"),
        format!("GET  /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n{hidden}"),
        format!("\0\r\n\r\n{hidden}"),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}".to_owned(),
    ] {
        let answer = wire::send(stack.auth().http(), &request).await;
        assert!(wire::answers(&answer) <= 1, "{request:?}\n{answer}");
        assert!(matches!(wire::status(&answer), None | Some(400 | 408 | 411 | 501 | 505)), "{request:?}\n{answer}");
    }
    stack.auth().http().get("/health/live").send().await.assert_status(200);
}

#[tokio::test]
async fn a_request_names_one_host() {
    let stack = Stack::start().await;

    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: localhost\r\nHost: localhost\r\n"] {
        let answer = wire::send(stack.api(), format!("GET /health/live HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert_eq!(wire::status(&answer), Some(400), "{hosts}\n{answer}");
    }
}

/// A.IF-08.
#[tokio::test]
async fn a_request_that_is_too_large_in_any_part_is_refused() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let api = stack.api();

    api.get(&format!("/documents?cursor={}", "x".repeat(5000))).bearer(&token).send().await.assert_problem(414);
    api.get("/me").bearer(&"x".repeat(9000)).send().await.assert_problem(431);
    for (name, value) in [("cookie", "x".repeat(20_000)), ("x-a", "x".repeat(64 * 1024))] {
        let answer = api.get("/me").bearer(&token).header(name, value).send().await;
        assert_eq!(answer.status(), 431, "{answer}");
    }
    let mut many = api.get("/me").bearer(&token);
    for number in 0..1000 {
        many = many.header(&format!("x-{number}"), "0123456789");
    }
    assert_eq!(many.send().await.status(), 431);
    let long =
        wire::send(api, format!("GET /{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "x".repeat(1 << 20))).await;
    assert!(matches!(wire::status(&long), Some(414 | 431)), "{long}");
    api.get("/me").bearer(&token).send().await.assert_ok();
}

/// A.IF-09.
#[tokio::test]
async fn a_path_leads_nowhere_but_where_it_says() {
    let stack = Stack::start().await;

    for path in [
        "/../../../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/..;/..;/etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%252e%252e/etc/passwd",
        "/docs/../../etc/passwd",
        "/documents/..%2f..%2f..%2fetc%2fpasswd",
        "/documents/%2e%2e",
        "//etc/passwd",
        "/\\..\\..",
        "/.git/config",
        "/Cargo.toml",
        "/data/auth/auth.db",
        "/documents/%00",
        "/%00",
        "/documents/%ff",
        "/%zz",
        "http://evil.example/me",
        "*",
    ] {
        for http in [stack.auth().http(), stack.api()] {
            let answer = wire::send(http, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
            assert!(matches!(wire::status(&answer), Some(400 | 401 | 404)), "{path}\n{answer}");
            assert!(!answer.contains("root:"), "{path}\n{answer}");
        }
    }
}

/// A.CH-08.
#[tokio::test]
async fn nothing_of_a_request_ends_up_in_the_headers_of_its_answer() {
    let stack = Stack::start().await;

    for (http, path) in [
        (stack.api(), "/documents?cursor=%0d%0aSet-Cookie:canary=1"),
        (stack.api(), "/documents/%0d%0aSet-Cookie:canary=1"),
        (stack.api(), "/canary%0d%0aSet-Cookie:canary=1"),
        (stack.auth().http(), "/oauth2/canary%0d%0aSet-Cookie:canary=1"),
    ] {
        http.get(path).send().await.assert_hardened().assert_no_echo("Set-Cookie:canary");
    }
}

/// A.IF-07.
#[tokio::test]
async fn a_compressed_body_is_refused_unread() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;

    for encoding in ["gzip", "br", "zstd", "deflate", "identity", "x"] {
        let call = stack.api().post("/documents").bearer(&token).header("content-encoding", encoding);
        call.body("application/json", [0x1f, 0x8b, 8, 0]).send().await.assert_problem(415);
    }
}
