//! Why a caller is not let in, as an HTTP answer (RFC 6750 §3.1).

use std::{error::Error, fmt, sync::Arc, time::Duration};

use poem::{
    Response,
    error::ResponseError,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};

use super::challenge::{Attributes, ProtectionSpace};
use crate::{
    access_token::{AccessTokenError, ApiKeyError},
    scope::Scope,
};

/// Why a caller is not let in, or may not do what it asks for.
#[derive(Clone, Debug)]
pub struct Refusal {
    reason: Reason,
    space: Arc<ProtectionSpace>,
}

/// What is the matter.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// There are no credentials, or none of ours.
    NoCredentials,
    /// The credentials are not well-formed, or given twice.
    InvalidRequest(&'static str),
    /// The token is not good, or we cannot tell.
    Token(AccessTokenError),
    /// The API key is not good, or we cannot tell.
    ApiKey(ApiKeyError),
    /// The token is bound to networks, and the request comes from elsewhere.
    Source,
    /// The token is good but allows too little: the scope that is needed.
    InsufficientScope(Scope),
    /// The token is good but its subject lacks each of these roles.
    InsufficientRole(Vec<String>),
    /// The user proved who they are too long ago (RFC 9470).
    LoginTooOld {
        /// How long ago it may be.
        max_age: Duration,
    },
}

impl Reason {
    /// A stable name for logs and programs.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::InvalidRequest(_) => "invalid_request",
            Self::Token(error) => error.code(),
            Self::ApiKey(error) => error.code(),
            Self::Source => "source",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::InsufficientRole(_) => "insufficient_role",
            Self::LoginTooOld { .. } => "insufficient_user_authentication",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Token(error) if error.is_our_fault() => StatusCode::SERVICE_UNAVAILABLE,
            Self::ApiKey(error) if error.retry_after().is_some() => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoCredentials | Self::Token(_) | Self::ApiKey(_) | Self::Source | Self::LoginTooOld { .. } => {
                StatusCode::UNAUTHORIZED
            }
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope(_) | Self::InsufficientRole(_) => StatusCode::FORBIDDEN,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials => out.write_str("an access token is needed"),
            Self::InvalidRequest(what) => out.write_str(what),
            Self::Token(error) => error.fmt(out),
            Self::ApiKey(error) => error.fmt(out),
            Self::Source => out.write_str("the credentials are not good from this address"),
            Self::InsufficientScope(scope) => write!(out, "the access token lacks scope: {scope}"),
            Self::InsufficientRole(roles) => write!(out, "the caller lacks the role: {}", roles.join(" or ")),
            Self::LoginTooOld { max_age } => {
                write!(out, "the user must have logged in within the last {} seconds", max_age.as_secs())
            }
        }
    }
}

impl Refusal {
    pub(super) fn new(reason: Reason, space: Arc<ProtectionSpace>) -> Self {
        space.refusals.count(reason.code());
        Self { reason, space }
    }

    /// The status of the answer: 400, 401, 403, or 503 when the fault is ours.
    pub const fn status(&self) -> StatusCode {
        self.reason.status()
    }

    /// A stable name of the reason: an error code of RFC 6750, or a finer one.
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }

    /// What the client may know about the reason.
    pub fn detail(&self) -> String {
        self.reason.to_string()
    }

    /// The challenge; there is none when the fault is ours, for no other credentials would help.
    pub fn www_authenticate(&self) -> Option<HeaderValue> {
        let mut attributes = Attributes { is_open: self.status() == StatusCode::UNAUTHORIZED, ..Attributes::default() };
        let scope;
        match &self.reason {
            Reason::NoCredentials => {}
            Reason::InvalidRequest(_) => attributes.error = Some("invalid_request"),
            Reason::Token(error) if error.is_our_fault() => return None,
            Reason::ApiKey(error) if error.retry_after().is_some() => return None,
            Reason::Token(_) | Reason::ApiKey(_) | Reason::Source => attributes.error = Some("invalid_token"),
            Reason::InsufficientScope(needed) => {
                attributes.error = Some("insufficient_scope");
                scope = needed.to_string();
                attributes.scope = Some(&scope);
            }
            Reason::InsufficientRole(_) => attributes.error = Some("insufficient_scope"),
            Reason::LoginTooOld { max_age } => {
                attributes.error = Some("insufficient_user_authentication");
                attributes.max_age = Some(*max_age);
            }
        }
        attributes.description = attributes.error.map(|_| self.reason.to_string());
        Some(self.space.challenge(&attributes))
    }

    /// When asking again may help, if the fault is ours.
    pub const fn retry_after(&self) -> Option<Duration> {
        match &self.reason {
            Reason::Token(error) => error.retry_after(),
            Reason::ApiKey(error) => error.retry_after(),
            Reason::NoCredentials
            | Reason::Source
            | Reason::InvalidRequest(_)
            | Reason::InsufficientScope(_)
            | Reason::InsufficientRole(_)
            | Reason::LoginTooOld { .. } => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(out)
    }
}

impl Error for Refusal {}

impl ResponseError for Refusal {
    fn status(&self) -> StatusCode {
        Refusal::status(self)
    }

    /// An RFC 9457 problem with the challenge in its header.
    fn as_response(&self) -> Response {
        let status = Refusal::status(self);
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
            "code": self.code(),
        });
        let mut answer = Response::builder()
            .status(status)
            .content_type("application/problem+json")
            .header(CACHE_CONTROL, "no-store")
            .body(problem.to_string());
        if let Some(challenge) = self.www_authenticate() {
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(retry_after) = self.retry_after() {
            // A part of a second counts as a whole one: the header knows no fractions, and 0 would invite a storm.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            answer.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
        }
        answer
    }
}

impl poem::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.as_response()
    }
}
