//! Every kind of answer leaves the same edge.

use std::{net::IpAddr, time::Duration};

use poem::{
    Body, EndpointExt, Route,
    endpoint::{BoxEndpoint, make, make_sync},
    get,
    http::Method,
    post,
};
use poem_openapi::{
    ApiResponse, Object, OpenApi, OpenApiService,
    param::{Path, Query},
    payload::{Form, Json},
};
use serde_json::{Value, json};

use super::*;
use crate::server::{cors::AllowedOrigins, problem::Refused};

#[derive(Object)]
struct NewNote {
    #[oai(validator(max_length = 8))]
    title: String,
    size: u32,
}

#[derive(Object, serde::Deserialize)]
struct Exchange {
    grant_type: String,
}

#[derive(ApiResponse)]
enum Reply {
    #[oai(status = 200)]
    Ok(Json<Value>),
    #[oai(status = 400)]
    Refused(Json<Value>),
}

struct Api;

#[expect(clippy::unused_async, reason = "the framework wants operations async")]
#[OpenApi]
impl Api {
    #[oai(path = "/notes/:id", method = "get")]
    async fn read(&self, id: Path<u32>, page: Query<Option<u32>>, context: RequestContext) -> Result<Reply, Refused> {
        if id.0 == 404 {
            return Err(Refused::not_found("There is no such note."));
        }
        if id.0 == 500 {
            return Err(Refused::failed(&std::io::Error::other("SELECT * FROM note")));
        }
        Ok(Reply::Ok(Json(json!({ "page": page.0, "id": context.request_id.to_string(), "ip": context.client_ip.to_string() }))))
    }

    #[oai(path = "/notes", method = "post")]
    async fn create(&self, note: Json<NewNote>) -> Result<Reply, Refused> {
        Ok(Reply::Ok(Json(json!({ "title": note.0.title, "size": note.0.size }))))
    }

    #[oai(path = "/oauth2/token", method = "post")]
    async fn token(&self, form: Form<Exchange>) -> Reply {
        Reply::Refused(Json(json!({ "error": "unsupported_grant_type", "length": form.0.grant_type.len() })))
    }
}

fn edge() -> Edge {
    let limits =
        Limits { handler_deadline: Duration::from_millis(50), body_deadline: Duration::from_millis(50), ..Limits::default() };
    Edge {
        routes: Routes::from_document(&OpenApiService::new(Api, "notes", "1").spec()).unwrap(),
        cors: Cors { allowed: AllowedOrigins::new(["https://app.example".to_owned()], false), public_paths: vec!["/public"] },
        trusted_proxies: vec!["0.0.0.0/32".parse().unwrap()],
        limits,
        ..Edge::default()
    }
}

fn app() -> BoxEndpoint<'static> {
    app_of(edge())
}

fn app_of(edge: Edge) -> BoxEndpoint<'static> {
    let routes = Route::new()
        .nest("/", OpenApiService::new(Api, "notes", "1"))
        .at("/panic", get(make_sync(|_| -> Response { panic!("secret of the handler") })))
        .at("/slow", get(make(|_| std::future::pending::<Response>())))
        .at("/public", get(make_sync(|_| Response::builder().header("cache-control", "public, max-age=300").finish())))
        .at("/echo", post(make(|mut request: Request| async move { request.take_body().into_vec().await })))
        .at(
            "/leak",
            get(make_sync(|_| -> poem::Result<()> { Err(poem::Error::from_string("/etc/passwd", StatusCode::BAD_GATEWAY)) })),
        )
        .at("/text", get(make_sync(|_| StatusCode::CONFLICT.with_body("text"))));
    edge.wrap(routes).boxed()
}

struct Answer {
    response: Response,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends a request and checks what every answer has in common.
async fn send(request: Request) -> Answer {
    send_to(&app(), request).await
}

async fn send_to(app: &BoxEndpoint<'static>, request: Request) -> Answer {
    let is_head = request.method() == Method::HEAD;
    let mut response = app.call(request).await.unwrap();
    let body = response.take_body().into_vec().await.unwrap();
    let answer = Answer { response, body };

    let status = answer.response.status();
    let request_id = answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(request_id.len(), 32);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
    assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(answer.header("permissions-policy").is_some() && answer.header("referrer-policy").is_some());
    assert!(answer.header("cache-control").is_some());
    assert_eq!(answer.header("server"), None);
    if answer.header("content-type") == Some("application/problem+json") && !is_head {
        let problem = answer.json();
        assert_eq!(problem["status"], status.as_u16());
        assert_eq!(problem["request_id"], request_id);
        assert_eq!(problem["title"], status.canonical_reason().unwrap());
    } else {
        assert!(!status.is_client_error() || answer.header("content-type").is_some_and(|ty| ty.contains("json")), "{status}");
    }
    answer
}

fn request(method: Method, path: &str) -> poem::RequestBuilder {
    Request::builder().method(method).uri(path.parse().unwrap())
}

#[tokio::test]
async fn an_ordinary_request_reaches_its_handler_with_its_context() {
    let answer = send(request(Method::GET, "/notes/7?page=2").header("x-forwarded-for", "192.0.2.9").finish()).await;
    assert_eq!(answer.json(), json!({ "page": 2, "id": answer.header("x-request-id"), "ip": "192.0.2.9" }));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_client_cannot_choose_its_request_id() {
    let answer = send(request(Method::GET, "/notes/7").header("x-request-id", "mine").finish()).await;
    assert_ne!(answer.header("x-request-id"), Some("mine"));
}

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
async fn head_is_get_without_a_body() {
    let answer = send(request(Method::HEAD, "/notes/7").finish()).await;
    assert_eq!(answer.response.status(), StatusCode::OK);
    assert!(answer.body.is_empty());
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

/// A.IF-08.
#[tokio::test]
async fn every_part_of_a_request_has_its_limit() {
    let long_path = send(request(Method::GET, &format!("/{}", "a".repeat(4096))).finish()).await;
    assert_eq!(long_path.response.status(), StatusCode::URI_TOO_LONG);

    let headers = send(request(Method::GET, "/notes/7").header("x-a", "a".repeat(16 * 1024)).finish()).await;
    assert_eq!(headers.response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let token = format!("Bearer {}", "a".repeat(8 * 1024));
    let authorization = send(request(Method::GET, "/notes/7").header("authorization", token).finish()).await;
    assert_eq!(authorization.response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let fits = send(request(Method::POST, "/echo").body(vec![b'a'; 64 * 1024])).await;
    assert_eq!((fits.response.status(), fits.body.len()), (StatusCode::OK, 64 * 1024));
    let too_large = send(request(Method::POST, "/echo").body(vec![b'a'; 64 * 1024 + 1])).await;
    assert_eq!(too_large.response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let form = send(request(Method::POST, "/oauth2/token").body(vec![b'a'; 16 * 1024 + 1])).await;
    assert_eq!(form.response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let nested = request(Method::POST, "/notes").content_type("application/json").body("[".repeat(1000));
    assert_eq!(send(nested).await.response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(send(request(Method::GET, "/notes/%00").finish()).await.response.status(), StatusCode::BAD_REQUEST);
}

/// A.IF-06.
#[tokio::test]
async fn a_body_without_end_is_cut_at_its_cap_and_one_without_progress_at_its_deadline() {
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'a'; 1024]));
    let answer = send(request(Method::POST, "/echo").body(Body::from_bytes_stream(endless))).await;
    assert_eq!(answer.response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let stalled = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = send(request(Method::POST, "/echo").body(Body::from_bytes_stream(stalled))).await;
    assert_eq!(answer.response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_handler_that_hangs_is_503() {
    let answer = send(request(Method::GET, "/slow").finish()).await;
    assert_eq!(answer.response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
}

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

#[tokio::test]
async fn requests_are_counted_by_template_also_when_the_client_hangs_up() {
    let edge = edge();
    let metrics = edge.metrics.clone();
    let app = app_of(edge);
    send_to(&app, request(Method::GET, "/notes/7").finish()).await;
    send_to(&app, request(Method::GET, "/notes/8").finish()).await;
    send_to(&app, request(Method::GET, "/nothing/at/all").finish()).await;
    let hung_up = tokio::time::timeout(Duration::from_millis(5), app.call(request(Method::GET, "/slow").finish())).await;
    assert!(hung_up.is_err());

    let text = metrics.to_text();
    assert!(text.contains(r#"http_requests_total{method="GET",route="/notes/{id}",status="200"} 2"#), "{text}");
    assert!(text.contains(r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#), "{text}");
    assert!(text.contains(r#"status="499"} 1"#), "{text}");
}

#[test]
fn the_peer_of_a_test_request_is_nobody() {
    let nobody: IpAddr = "0.0.0.0".parse().unwrap();
    assert_eq!(crate::server::client_ip::client_ip(&Request::default(), &[]), nobody);
}
