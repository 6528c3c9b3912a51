//! How a handler says no.

use std::time::Duration;

use poem::http::StatusCode;
use poem_openapi::{ApiResponse, payload::Json};

use super::{Problem, chain};

/// Why a request was not served.
///
/// The error half of a handler's `Result<Reply, Refused>`. Make one with the functions below; they fill in the problem. The
/// edge adds the request id.
#[derive(ApiResponse, Clone, Debug)]
pub enum Refused {
    /// The request is malformed
    #[oai(status = 400, content_type = "application/problem+json")]
    BadRequest(Json<Problem>),
    /// Nobody is authenticated
    #[oai(status = 401, content_type = "application/problem+json")]
    Unauthorized(Json<Problem>, #[oai(header = "WWW-Authenticate")] String),
    /// The caller may not do this
    #[oai(status = 403, content_type = "application/problem+json")]
    Forbidden(Json<Problem>, #[oai(header = "WWW-Authenticate")] Option<String>),
    /// There is nothing here, or nothing the caller may see
    #[oai(status = 404, content_type = "application/problem+json")]
    NotFound(Json<Problem>),
    /// The method cannot be used here
    #[oai(status = 405, content_type = "application/problem+json")]
    MethodNotAllowed(Json<Problem>, #[oai(header = "Allow")] String),
    /// The request took too long to arrive
    #[oai(status = 408, content_type = "application/problem+json")]
    RequestTimeout(Json<Problem>),
    /// It contradicts what is there already
    #[oai(status = 409, content_type = "application/problem+json")]
    Conflict(Json<Problem>),
    /// What is there has changed since it was read
    #[oai(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Json<Problem>),
    /// The body is too large
    #[oai(status = 413, content_type = "application/problem+json")]
    PayloadTooLarge(Json<Problem>),
    /// The path and query are too long
    #[oai(status = 414, content_type = "application/problem+json")]
    UriTooLong(Json<Problem>),
    /// The body is of another media type
    #[oai(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Json<Problem>),
    /// The request is well formed but a value in it is not acceptable
    #[oai(status = 422, content_type = "application/problem+json")]
    UnprocessableEntity(Json<Problem>),
    /// Too many requests; `Retry-After` says how many seconds to wait
    #[oai(status = 429, content_type = "application/problem+json")]
    TooManyRequests(Json<Problem>, #[oai(header = "Retry-After")] u64),
    /// The headers are too large
    #[oai(status = 431, content_type = "application/problem+json")]
    HeadersTooLarge(Json<Problem>),
    /// Something went wrong here
    #[oai(status = 500, content_type = "application/problem+json")]
    Failed(Json<Problem>),
    /// Something this depends on is away; `Retry-After` says how many seconds to wait
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(Json<Problem>, #[oai(header = "Retry-After")] u64),
}

impl Refused {
    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::BadRequest(problem(StatusCode::BAD_REQUEST, detail))
    }

    /// 401 with its challenge (RFC 9110 §11.6.1).
    pub fn unauthorized(detail: impl Into<String>, www_authenticate: impl Into<String>) -> Self {
        Self::Unauthorized(problem(StatusCode::UNAUTHORIZED, detail), www_authenticate.into())
    }

    /// 403: known, and not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::Forbidden(problem(StatusCode::FORBIDDEN, detail), None)
    }

    /// 404: also for what the caller must not know to exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::NotFound(problem(StatusCode::NOT_FOUND, detail))
    }

    /// 409: it contradicts what is there already.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::Conflict(problem(StatusCode::CONFLICT, detail))
    }

    /// 412: an `If-Match` or `If-None-Match` did not hold.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::PreconditionFailed(problem(StatusCode::PRECONDITION_FAILED, detail))
    }

    /// 413: more than this resource takes.
    pub fn payload_too_large(detail: impl Into<String>) -> Self {
        Self::PayloadTooLarge(problem(StatusCode::PAYLOAD_TOO_LARGE, detail))
    }

    /// 415: a media type this resource does not take.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::UnsupportedMediaType(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
    }

    /// 422: one field is not acceptable; name it as the API does, and do not repeat its value.
    pub fn unprocessable(field: impl Into<String>, message: impl Into<String>) -> Self {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail("A value in the request is not acceptable.");
        Self::UnprocessableEntity(Json(problem.field(field, message)))
    }

    /// 429: come back later.
    pub fn too_many_requests(retry_after: Duration) -> Self {
        let problem = problem(StatusCode::TOO_MANY_REQUESTS, "Too many requests; wait before the next one.");
        Self::TooManyRequests(problem, whole_seconds(retry_after))
    }

    /// 500: our fault. The error goes to the log with all its causes, the client learns nothing of it.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "A request failed");
        Self::Failed(problem(StatusCode::INTERNAL_SERVER_ERROR, FAILED))
    }

    /// 503: something we depend on is away. The error goes to the log with all its causes.
    pub fn unavailable(error: &(dyn std::error::Error + 'static), retry_after: Duration) -> Self {
        tracing::warn!(error = chain(error), "A request could not be served for now");
        Self::away(retry_after)
    }

    /// 503 where the log has the cause already.
    pub fn away(retry_after: Duration) -> Self {
        Self::Unavailable(problem(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE), whole_seconds(retry_after))
    }
}

/// A part of the request that breaks its grammar, by the name that the documentation gives it.
#[derive(Debug)]
pub struct Malformed(pub &'static str);

impl From<Malformed> for Refused {
    fn from(Malformed(part): Malformed) -> Self {
        let problem = Problem::new(StatusCode::BAD_REQUEST).detail(format!("`{part}` is malformed."));
        Self::BadRequest(Json(problem.field(part, "is malformed")))
    }
}

/// What [`crate::guard::Caller`] refuses, a handler refuses: `caller.require("documents:read")?`.
#[cfg(feature = "guard")]
impl From<crate::guard::Refusal> for Refused {
    fn from(refusal: crate::guard::Refusal) -> Self {
        let challenge = refusal.www_authenticate().and_then(|value| value.to_str().map(str::to_owned).ok());
        match refusal.status() {
            StatusCode::BAD_REQUEST => Self::bad_request(refusal.detail()),
            StatusCode::UNAUTHORIZED => Self::unauthorized(refusal.detail(), challenge.unwrap_or_default()),
            StatusCode::FORBIDDEN => Self::Forbidden(problem(StatusCode::FORBIDDEN, refusal.detail()), challenge),
            _ => Self::away(refusal.retry_after().unwrap_or_default()),
        }
    }
}

/// What a client is told about a failure of ours.
pub(super) const FAILED: &str = "Something went wrong here. It is not your request; the request id helps us to find it.";
/// What a client is told when something we need is away.
pub(super) const UNAVAILABLE: &str = "Not available for the moment; try again shortly.";

fn problem(status: StatusCode, detail: impl Into<String>) -> Json<Problem> {
    Json(Problem::new(status).detail(detail))
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3), rounded up so that nobody comes back too early.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
