//! Error answers after RFC 6749 §5.2: the only place they are made.

use std::time::Duration;

use poem::{
    Endpoint, EndpointExt, IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{ApiResponse, Enum, Object, payload::Json};
use shared::server::rate_limit::TooManyRequests;

use crate::{StoreError, access::AccessError, client::ClientError, grant::GrantError};

/// How long a client should wait when the service is busy or its database is away, in seconds.
const RETRY_AFTER: u32 = 1;
const PROBLEM: &str = "application/problem+json";
const TOO_OFTEN: &str = "too many requests; wait before the next one";
const BASIC_CHALLENGE: &str = "Basic realm=\"clients\", charset=\"UTF-8\"";

/// What went wrong, as a code (RFC 6749 §5.2, RFC 8707 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    TemporarilyUnavailable,
}

/// An OAuth error (RFC 6749 §5.2).
#[derive(Debug, Object)]
pub(super) struct OAuthError {
    /// What went wrong.
    error: ErrorCode,
    /// What to do about it, for the developer of the client.
    error_description: String,
}

/// How an OAuth endpoint refuses.
#[derive(Debug, ApiResponse)]
pub(super) enum OAuthRefusal {
    /// The request cannot be granted: `error` says why.
    #[oai(status = 400)]
    BadRequest(Json<OAuthError>),
    /// The client did not prove which one it is.
    #[oai(status = 401)]
    InvalidClient(Json<OAuthError>, #[oai(header = "WWW-Authenticate")] String),
    /// The request is larger than any that makes sense.
    #[oai(status = 413)]
    TooLarge(Json<OAuthError>),
    /// Too many attempts have failed: `Retry-After` says how many seconds to wait.
    #[oai(status = 429)]
    TooManyRequests(Json<OAuthError>, #[oai(header = "Retry-After")] u64),
    /// The service is busy or its database is away: try again.
    #[oai(status = 503)]
    Unavailable(Json<OAuthError>, #[oai(header = "Retry-After")] u32),
}

impl OAuthRefusal {
    pub(super) fn invalid_request(description: &str) -> Self {
        Self::BadRequest(body(ErrorCode::InvalidRequest, description))
    }

    pub(super) fn bad_request(error: ErrorCode, description: &str) -> Self {
        Self::BadRequest(body(error, description))
    }

    pub(super) fn invalid_client() -> Self {
        Self::InvalidClient(body(ErrorCode::InvalidClient, "client authentication failed"), BASIC_CHALLENGE.to_owned())
    }

    /// RFC 6749 has no code for it: of those there are, the one that asks to come back later says it best.
    fn throttled(description: &str, retry_after: Duration) -> Self {
        let seconds = retry_after.as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        Self::TooManyRequests(body(ErrorCode::TemporarilyUnavailable, description), seconds)
    }

    /// What happened in a word, for metrics: the code, or what kept the request from being looked at.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::BadRequest(body) | Self::InvalidClient(body, _) | Self::TooLarge(body) => match body.error {
                ErrorCode::InvalidRequest => "invalid_request",
                ErrorCode::InvalidClient => "invalid_client",
                ErrorCode::InvalidGrant => "invalid_grant",
                ErrorCode::UnauthorizedClient => "unauthorized_client",
                ErrorCode::UnsupportedGrantType => "unsupported_grant_type",
                ErrorCode::InvalidScope => "invalid_scope",
                ErrorCode::InvalidTarget => "invalid_target",
                ErrorCode::TemporarilyUnavailable => "temporarily_unavailable",
            },
            Self::TooManyRequests(..) => "throttled",
            Self::Unavailable(..) => "temporarily_unavailable",
        }
    }

    pub(super) fn unavailable(description: &str) -> Self {
        Self::Unavailable(body(ErrorCode::TemporarilyUnavailable, description), RETRY_AFTER)
    }
}

fn body(error: ErrorCode, description: &str) -> Json<OAuthError> {
    Json(OAuthError { error, error_description: description.to_owned() })
}

impl From<ClientError> for OAuthRefusal {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused => Self::invalid_client(),
            ClientError::TwoClients => Self::invalid_request(&error.to_string()),
            ClientError::Throttled { retry_after } => Self::throttled(&error.to_string(), retry_after),
            ClientError::Store(error) => error.into(),
        }
    }
}

impl From<TooManyRequests> for OAuthRefusal {
    fn from(error: TooManyRequests) -> Self {
        Self::throttled(TOO_OFTEN, error.retry_after)
    }
}

impl From<GrantError> for OAuthRefusal {
    fn from(error: GrantError) -> Self {
        let description = error.to_string();
        match error {
            GrantError::UnsupportedGrantType => Self::bad_request(ErrorCode::UnsupportedGrantType, &description),
            GrantError::UnauthorizedClient => Self::bad_request(ErrorCode::UnauthorizedClient, &description),
            GrantError::InvalidGrant(_) => Self::bad_request(ErrorCode::InvalidGrant, &description),
            GrantError::InvalidRequest(_) => Self::bad_request(ErrorCode::InvalidRequest, &description),
            GrantError::Access(error) => Self::bad_request(code_of(error), &description),
            GrantError::Throttled { retry_after } => Self::throttled(&description, retry_after),
            GrantError::Busy | GrantError::ClientChanged => Self::unavailable(&description),
            GrantError::ClientDisabled => Self::invalid_client(),
            GrantError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for OAuthRefusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "The database could not do it");
        Self::unavailable("the service cannot reach its database at the moment")
    }
}

const fn code_of(error: AccessError) -> ErrorCode {
    match error {
        AccessError::ScopeNotAllowed
        | AccessError::SeveralResources
        | AccessError::ScopeOfAnotherResource
        | AccessError::NothingRequested
        | AccessError::NoRights => ErrorCode::InvalidScope,
        AccessError::UnknownResource | AccessError::OneResourceAtATime => ErrorCode::InvalidTarget,
    }
}

/// Gives errors at the OAuth endpoints their form: also what is refused before a handler runs is an OAuth error there.
pub(crate) fn shape_error(template: &str, error: poem::Error) -> Result<Response, poem::Error> {
    if !is_oauth(template) {
        return Err(error);
    }
    let refusal = refusal_of(error.status());
    let response = match refusal {
        refusal if error.is_from_response() => reshaped(error.into_response(), refusal),
        Some(refusal) => refusal.into_response(),
        None => return Err(error),
    };
    Ok(uncached(response))
}

/// What a handler of ours answered stays as it is; a problem that the network edge made becomes an OAuth error.
fn reshaped(response: Response, refusal: Option<OAuthRefusal>) -> Response {
    let Some(refusal) = refusal.filter(|_| response.content_type() == Some(PROBLEM)) else { return response };
    let mut shaped = refusal.into_response();
    // The edge closes a connection whose request it has not read to its end.
    if let Some(connection) = response.headers().get(header::CONNECTION) {
        shaped.headers_mut().insert(header::CONNECTION, connection.clone());
    }
    shaped
}

/// Sees to it that no cache keeps an answer of the OAuth endpoints (RFC 6749 §5.1), and that there is one within `deadline`
/// even if the database neither answers nor fails.
pub(in crate::http) fn keep_uncached(
    routes: impl Endpoint<Output = Response> + 'static,
    deadline: Duration,
) -> impl Endpoint<Output = Response> {
    routes.around(move |routes, request| async move {
        if !is_oauth(request.uri().path()) {
            return routes.call(request).await;
        }
        match tokio::time::timeout(deadline, Box::pin(routes.call(request))).await {
            Ok(answered) => answered.map(uncached),
            Err(_) => Ok(uncached(OAuthRefusal::unavailable("the service did not get an answer in time").into_response())),
        }
    })
}

/// Whether the answers at a path are OAuth's own; the status lists are not.
fn is_oauth(path: &str) -> bool {
    path.starts_with("/oauth2/") && !path.starts_with("/oauth2/status-lists")
}

fn uncached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// What a refusal with this status is in OAuth's terms, if it is about what the client sent.
fn refusal_of(status: StatusCode) -> Option<OAuthRefusal> {
    match status {
        StatusCode::BAD_REQUEST => Some(OAuthRefusal::invalid_request(
            "the body is not a form, has too many parameters, or one that is repeated, not UTF-8, or holds a NUL character",
        )),
        StatusCode::FORBIDDEN => Some(OAuthRefusal::invalid_request("this service is used over HTTPS only")),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Some(OAuthRefusal::invalid_request("the body must be application/x-www-form-urlencoded, in UTF-8 and not compressed"))
        }
        // The network edge, which counts, knows for how long, and says so.
        StatusCode::TOO_MANY_REQUESTS => Some(OAuthRefusal::throttled(TOO_OFTEN, Duration::ZERO)),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Some(OAuthRefusal::TooLarge(body(ErrorCode::InvalidRequest, "the body is larger than any that makes sense")))
        }
        _ => None,
    }
}
