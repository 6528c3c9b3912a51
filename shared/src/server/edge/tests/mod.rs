//! Every kind of answer leaves the same edge.

mod browser;
mod limits;
mod refusals;

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
async fn head_is_get_without_a_body() {
    let answer = send(request(Method::HEAD, "/notes/7").finish()).await;
    assert_eq!(answer.response.status(), StatusCode::OK);
    assert!(answer.body.is_empty());
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
