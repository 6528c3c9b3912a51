//! What is refused, by whomever, and in which words.

use super::*;

#[tokio::test]
async fn what_is_not_there_is_404_and_repeats_nothing() {
    for path in ["/nothing", "/notes/7/%3Cscript%3E", "//notes/7", "/notes/7/"] {
        let answer = send(request(Method::GET, path).finish()).await;
        assert_eq!(answer.response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json()["detail"], "There is nothing at this path.");
    }
}

#[tokio::test]
async fn a_method_that_cannot_be_used_is_answered_with_those_that_can() {
    let answer = send(request(Method::DELETE, "/notes/7").finish()).await;
    assert_eq!(answer.response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));

    for method in [Method::TRACE, Method::OPTIONS, Method::GET] {
        let answer = send(request(method, "/notes").finish()).await;
        assert_eq!(answer.response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    let unknown = send(request(Method::from_bytes(b"BREW").unwrap(), "/notes").finish()).await;
    assert_eq!(unknown.response.status(), StatusCode::NOT_IMPLEMENTED);
    let overridden = send(request(Method::GET, "/notes").header("x-http-method-override", "POST").finish()).await;
    assert_eq!(overridden.response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_handlers_refusal_keeps_its_words_and_gets_the_request_id() {
    let answer = send(request(Method::GET, "/notes/404").finish()).await;
    assert_eq!(answer.response.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.json()["detail"], "There is no such note.");
}

/// A.CH-15: 500.
#[tokio::test]
async fn a_failure_tells_nothing_of_its_cause() {
    for path in ["/notes/500", "/panic", "/leak"] {
        let answer = send(request(Method::GET, path).finish()).await;
        assert!(answer.response.status().is_server_error());
        let text = String::from_utf8(answer.body).unwrap();
        assert!(!text.contains("SELECT") && !text.contains("secret") && !text.contains("passwd"), "{text}");
    }
}

#[tokio::test]
async fn plain_text_is_not_for_clients() {
    let answer = send(request(Method::GET, "/text").finish()).await;
    assert_eq!(answer.response.status(), StatusCode::CONFLICT);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

#[tokio::test]
async fn an_oauth_error_passes_unchanged() {
    let form = request(Method::POST, "/oauth2/token").content_type("application/x-www-form-urlencoded").body("grant_type=x");
    let answer = send(form).await;
    assert_eq!(answer.response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.json(), json!({ "error": "unsupported_grant_type", "length": 1 }));
}

#[tokio::test]
async fn what_the_framework_refuses_is_explained_without_its_words() {
    let parameter = send(request(Method::GET, "/notes/%3Cscript%3E").finish()).await;
    assert_eq!(parameter.response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(parameter.json()["errors"], json!([{ "field": "id", "message": "must be of type integer(uint32)" }]));

    let long = json!({ "title": "<script>alert", "size": 1 }).to_string();
    let rule = send(request(Method::POST, "/notes").content_type("application/json").body(long)).await;
    assert_eq!(rule.json()["errors"], json!([{ "field": "title", "message": "must satisfy maxLength(8)" }]));

    for body in ["{", "[1]", r#"{"title":{"a":"<script>"},"size":1}"#, r#"{"title":"a","size":"<script>"}"#, ""] {
        let answer = send(request(Method::POST, "/notes").content_type("application/json").body(body)).await;
        assert_eq!(answer.response.status(), StatusCode::BAD_REQUEST, "{body}");
        let text = String::from_utf8(answer.body).unwrap();
        assert!(!text.contains("script") && !text.contains("NewNote"), "{text}");
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_415() {
    let xml = send(request(Method::POST, "/notes").content_type("text/xml").body("<a/>")).await;
    assert_eq!(xml.response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let gzip = request(Method::POST, "/notes").content_type("application/json").header("content-encoding", "gzip").body("x");
    assert_eq!(send(gzip).await.response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
