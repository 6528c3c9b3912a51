//! What browsers are told.

use super::*;

#[tokio::test]
async fn an_allowed_page_can_read_errors_too() {
    let answer = send(request(Method::GET, "/notes/404").header("origin", "https://app.example").finish()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    let stranger = send(request(Method::GET, "/notes/404").header("origin", "https://evil.example").finish()).await;
    assert_eq!(stranger.header("access-control-allow-origin"), None);
    let public = send(request(Method::GET, "/public").header("origin", "https://evil.example").finish()).await;
    assert_eq!(public.header("access-control-allow-origin"), Some("*"));
    assert_eq!(public.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(public.header("cache-control"), Some("public, max-age=300"));
}

#[tokio::test]
async fn a_preflight_names_the_methods_of_its_path() {
    let preflight = |origin: &str| {
        request(Method::OPTIONS, "/notes").header("origin", origin).header("access-control-request-method", "POST").finish()
    };
    let allowed = send(preflight("https://app.example")).await;
    assert_eq!(allowed.response.status(), StatusCode::NO_CONTENT);
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    let refused = send(preflight("https://evil.example")).await;
    assert_eq!(refused.response.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn hsts_is_sent_only_when_told_to() {
    assert_eq!(send(request(Method::GET, "/notes/7").finish()).await.header("strict-transport-security"), None);
    let app = app_of(Edge { hsts: true, ..edge() });
    assert!(send_to(&app, request(Method::GET, "/notes/7").finish()).await.header("strict-transport-security").is_some());
}
