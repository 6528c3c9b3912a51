//! Which web pages may call the services (the Fetch standard; OAuth 2.1 §3.2).

use auth_service::{ClientKind, NewClient, Profile};
use tests::{Answer, Http, OpenApi, PASSWORD, Stack};

async fn preflight(http: &Http, path: &str, method: &str, origin: &str) -> Answer {
    let call = http.request("OPTIONS", path).header("origin", origin).header("access-control-request-method", method);
    call.header("access-control-request-headers", "authorization,content-type").send().await
}

#[track_caller]
fn assert_closed_to(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}\n{answer}");
    assert_eq!(answer.header("access-control-allow-credentials"), None, "{origin}\n{answer}");
    assert_eq!(answer.header("vary"), Some("Origin"), "{origin}\n{answer}");
}

#[track_caller]
fn assert_open_to(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{answer}");
    assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer}");
    assert_eq!(answer.header("vary"), Some("Origin"), "{answer}");
}

/// A stack as it stands in public, where no origin is let in by itself, with one page allowed at each service.
async fn public_stack() -> Stack {
    let origin = || vec!["https://app.example".to_owned()];
    let builder = Stack::builder().auth(move |config| {
        config.profile = Profile::Production;
        config.cors_origins = origin();
        config.docs = true;
    });
    let builder = builder.resource(move |config| {
        config.profile = resource_service::Profile::Production;
        config.cors_origins = origin();
        config.docs = true;
    });
    builder.start().await
}

/// A.CH-03
#[tokio::test]
async fn te_15_a_registered_page_may_ask_for_tokens() {
    let stack = public_stack().await;
    let origin = "https://app.example";

    let before = preflight(stack.auth().http(), "/oauth2/token", "POST", origin).await;
    before.assert_status(204).assert_hardened();
    assert_open_to(&before, origin);
    assert!(before.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")), "{before}");
    let allowed = before.header("access-control-allow-headers").expect("the headers").to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{before}");

    let refused = stack.client().public("nobody").password_request("ada", "wrong").header("origin", origin).send().await;
    assert_open_to(refused.assert_invalid_client(), origin);
    let exposed = refused.header("access-control-expose-headers").expect("some are exposed").to_lowercase();
    for name in ["www-authenticate", "retry-after", "x-request-id", "etag"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
}

/// A.CH-01
#[tokio::test]
async fn te_15_any_other_page_may_not() {
    let stack = public_stack().await;

    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "https://evilapp.example",
        "http://app.example",
        "https://app.example:8443",
        "https://APP.example",
        "https://app.example/",
        "http://localhost:3000",
        "http://127.0.0.1",
    ] {
        for (http, path, method) in
            [(stack.auth().http(), "/oauth2/token", "POST"), (stack.api(), "/documents", "POST"), (stack.api(), "/me", "GET")]
        {
            let answer = preflight(http, path, method, origin).await;
            assert_ne!(answer.status() / 100, 2, "{answer}");
            assert_closed_to(&answer, origin);
            assert_closed_to(&http.request(method, path).header("origin", origin).send().await, origin);
        }
    }
}

/// A.CH-03
#[tokio::test]
async fn te_15_a_clients_own_origin_is_let_in() {
    let stack = Stack::start().await;
    let origins = ["https://page.example", "https://beta.page.example"];
    let page = stack.new_client("page", ClientKind::Public, &["password"], "documents:read");
    stack.auth().register(NewClient { cors_origins: origins.map(str::to_owned).into(), ..page }).await;
    stack.user("ada", &["reader"]).await;
    let issuer = stack.auth().issuer().to_owned();
    let (home, _) = stack.stop().await;

    let auth = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts again");

    for origin in origins {
        assert_open_to(&preflight(auth.http(), "/oauth2/token", "POST", origin).await, origin);
        let client = auth.client().public("page").scope("documents:read");
        let answer = client.password_request("ada", PASSWORD).header("origin", origin).send().await;
        answer.assert_tokens();
        assert_open_to(&answer, origin);
    }
}

/// A.CH-01
#[tokio::test]
async fn no_path_of_either_service_lets_a_strange_page_in() {
    let stack = public_stack().await;
    let origin = "https://evil.example";

    for http in [stack.auth().http(), stack.api()] {
        let operations = OpenApi::of(http).await.operations();
        for operation in &operations {
            let is_public = operation.path.contains("/.well-known/") || operation.path.contains("/status-lists");
            let path = operation.path_with("id");
            for answer in [
                preflight(http, &path, &operation.method, origin).await,
                http.request(&operation.method, &path).header("origin", origin).send().await,
            ] {
                let allowed = answer.header("access-control-allow-origin");
                assert!(allowed.is_none() || (is_public && allowed == Some("*")), "{}\n{answer}", operation.name());
                assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer}");
            }
        }
        assert!(operations.len() >= 8, "the document lists what there is");
    }
}

#[tokio::test]
async fn a_development_server_lets_every_page_of_this_machine_in() {
    let stack = Stack::start().await;

    for origin in ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8000"] {
        assert_open_to(&preflight(stack.auth().http(), "/oauth2/token", "POST", origin).await, origin);
        assert_open_to(&preflight(stack.api(), "/documents", "POST", origin).await, origin);
    }
    for origin in ["https://evil.example", "http://localhost.evil.example", "null"] {
        assert_closed_to(&preflight(stack.api(), "/documents", "POST", origin).await, origin);
    }
}

#[tokio::test]
async fn what_is_public_is_for_every_page() {
    let stack = public_stack().await;

    for (http, path) in [
        (stack.auth().http(), "/.well-known/jwks.json"),
        (stack.auth().http(), "/.well-known/oauth-authorization-server"),
        (stack.api(), "/.well-known/oauth-protected-resource"),
    ] {
        for answer in [
            http.get(path).header("origin", "https://anyone.example").send().await,
            preflight(http, path, "GET", "https://anyone.example").await,
        ] {
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer}");
        }
    }
}

/// A.CH-03
#[tokio::test]
async fn a_preflight_needs_no_credentials_and_a_page_can_read_why_it_was_refused() {
    let stack = public_stack().await;
    let origin = "https://app.example";

    let before = preflight(stack.api(), "/documents/doc_x", "PUT", origin).await;
    assert_open_to(before.assert_status(204), origin);
    for method in ["GET", "PUT", "DELETE"] {
        assert!(before.header("access-control-allow-methods").is_some_and(|methods| methods.contains(method)), "{before}");
    }
    let refused = stack.api().get("/documents").header("origin", origin).send().await;
    refused.assert_no_credentials();
    assert_open_to(&refused, origin);
}
