//! The pages for people who try an API out: they load nothing from elsewhere, and are away where nobody wants them.

use tests::{Http, Stack};

/// A.CH-06
#[tokio::test]
async fn swagger_ui_is_one_page_that_loads_nothing_from_elsewhere() {
    let stack = Stack::start().await;

    for (http, other) in [(stack.auth().http(), stack.resource_url()), (stack.api(), stack.auth_url())] {
        let page = http.get("/docs").send().await;
        page.assert_status(200).assert_hardened();
        assert_eq!(page.media_type(), Some("text/html"));
        let policy = page.header("content-security-policy").expect("a policy");
        for directive in
            ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "script-src 'sha256-"]
        {
            assert!(policy.contains(directive), "{directive}: {policy}");
        }
        assert!(!policy.contains("'unsafe-inline' ") || !policy.contains("script-src 'unsafe-inline'"), "{policy}");
        assert!(!policy.contains("unsafe-eval"), "{policy}");
        assert_loads_nothing(page.text());
        let connects: Vec<_> = policy.split(';').filter(|directive| directive.trim().starts_with("connect-src")).collect();
        assert!(connects.len() == 1 && connects[0].contains("'self'"), "{policy}");
        // The page of the API must reach the issuer, which has another origin; the issuer's needs nobody.
        if http.base() == stack.resource_url() {
            assert!(connects[0].contains(other), "{policy}");
        }
    }
}

#[track_caller]
fn assert_loads_nothing(page: &str) {
    for tag in
        ["<script src=\"http", "<link href=\"http", "<link rel=\"stylesheet\" href=\"http", "<img src=\"http", "@import url(http"]
    {
        assert!(!page.contains(tag), "{tag}");
    }
}

/// A.CH-06
#[tokio::test]
async fn without_documentation_there_is_none() {
    let stack = Stack::builder().auth(|config| config.docs = false).resource(|config| config.docs = false).start().await;

    let without: [&Http; 2] = [stack.auth().http(), stack.api()];
    for http in without {
        for path in ["/docs", "/openapi.json", "/docs/", "/swagger", "/redoc"] {
            http.get(path).send().await.assert_problem(404);
        }
    }
}
