//! Every failure becomes an answer here, whatever raised it.

use poem::{
    Body, IntoResponse, Response,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError},
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::error::{AuthorizationError, ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError};
use serde_json::{Map, Value};

use super::{
    CONTENT_TYPE, Problem, Reason, chain, extraction,
    refused::{FAILED, UNAVAILABLE},
};
use crate::server::{context::RequestId, routes::Entry};

/// The largest error body that is opened to put the request id into.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// Turns an error into an answer. One that shapes itself as JSON is taken as it is; of any other, only what is known to be
/// safe is told, and the rest becomes the [`Reason`] in the log.
pub(in crate::server) fn from_error(error: poem::Error, route: Option<&Entry>) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let status = error.status();
    let reason = error.data::<Reason>().cloned().unwrap_or_else(|| Reason::new(chain(&error)));
    let mut response = if let Some(problem) = known(&error, route) {
        problem.into_response()
    } else {
        let shaped = error.into_response();
        if shaped.content_type().is_some_and(is_json) { shaped } else { general(status).into_response() }
    };
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 §15.5.2 wants a challenge, also for a protected route that is not inside the guard.
        response.headers_mut().entry(header::WWW_AUTHENTICATE).or_insert(HeaderValue::from_static("Bearer"));
    }
    response.set_data(reason);
    response
}

fn is_json(media_type: &str) -> bool {
    media_type.split(';').next().unwrap_or_default().trim_end().ends_with("json")
}

/// What may be told of an error that the framework raises.
fn known(error: &poem::Error, route: Option<&Entry>) -> Option<Problem> {
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        return Some(extraction::parameter(error, route));
    }
    if let Some(error) = error.downcast_ref::<ParsePathError>() {
        return Some(extraction::path(error, route));
    }
    if let Some(error) = error.downcast_ref::<ParseRequestPayloadError>() {
        return Some(extraction::body(error, route));
    }
    let detail = if let Some(error) = error.downcast_ref::<ContentTypeError>() {
        match error {
            ContentTypeError::NotSupported { .. } => "This resource does not take a body of that Content-Type.",
            ContentTypeError::ExpectContentType => "The request needs a Content-Type.",
        }
    } else if error.is::<NotFoundError>() {
        "There is nothing at this path."
    } else if error.is::<MethodNotAllowedError>() {
        "This method cannot be used here; see Allow."
    } else if error.is::<AuthorizationError>() {
        "This needs an access token."
    } else if let Some(ReadBodyError::Utf8(_)) = error.downcast_ref::<ReadBodyError>() {
        "The body is not valid UTF-8."
    } else {
        return None;
    };
    Some(Problem::new(error.status()).detail(detail))
}

/// What a bare status says.
fn general(status: StatusCode) -> Problem {
    let problem = Problem::new(status);
    match status {
        StatusCode::SERVICE_UNAVAILABLE => problem.detail(UNAVAILABLE),
        status if status.is_server_error() => problem.detail(FAILED),
        _ => problem,
    }
}

/// The answer to a request whose handler panicked.
pub(in crate::server) fn from_panic(panic: &(dyn std::any::Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let mut response = general(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    response.set_data(Reason::new(format!("panic: {}", text.unwrap_or("of an unknown kind"))));
    response
}

/// Sees to it that an error answer is shaped and names its request.
///
/// An answer without a media type, or with plain text, was never meant for a client's eyes and gets a problem instead.
pub(in crate::server) async fn complete(mut response: Response, request_id: RequestId) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let media_type = response.content_type().and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let problem = match media_type {
        "" | "text/plain" => general(status),
        // In a box: most answers are none of these, and should not carry the room for one.
        CONTENT_TYPE => match Box::pin(opened(response.take_body())).await {
            Some(problem) => return with_body(response, named(problem, request_id)),
            None => general(status),
        },
        _ => return response,
    };
    let problem =
        serde_json::to_value(problem).ok().and_then(|value| if let Value::Object(map) = value { Some(map) } else { None });
    with_body(response, named(problem.unwrap_or_default(), request_id))
}

async fn opened(body: Body) -> Option<Map<String, Value>> {
    let bytes = body.into_bytes_limit(MAX_ERROR_BODY).await.ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn named(mut problem: Map<String, Value>, request_id: RequestId) -> Body {
    problem.insert("request_id".to_owned(), request_id.to_string().into());
    Value::Object(problem).to_string().into()
}

fn with_body(mut response: Response, body: Body) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.set_body(body);
    response
}
