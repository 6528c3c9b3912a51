//! The body of every error that is not an OAuth error: a problem (RFC 9457).
//!
//! A handler refuses with [`Refused`]; everything that fails before or around a handler is turned into a [`Problem`] by the
//! edge. A problem never repeats what the client sent and never names a type, a query or a file of ours.

pub(super) mod answer;
mod extraction;
mod refused;

use std::sync::Arc;

use poem::{
    Body, IntoResponse, Response,
    http::{StatusCode, header},
};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};

pub use self::refused::{Malformed, Refused};

/// The media type of a problem (RFC 9457 §3).
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong (RFC 9457)
#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct Problem {
    /// The kind of problem: a URI, or `about:blank` where the status says it all
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words
    pub title: String,
    /// The HTTP status
    pub status: u16,
    /// What to do about it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The id of the request, also in the header `X-Request-Id`; name it when you ask for help
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The parts of the request that are to blame
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<FieldError>>,
}

/// A parameter or field that was not accepted
#[derive(Clone, Debug, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct FieldError {
    /// Its name
    pub field: String,
    /// What was expected of it
    pub message: String,
}

impl Problem {
    /// The problem a status stands for.
    pub fn new(status: StatusCode) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: None,
            request_id: None,
            errors: None,
        }
    }

    /// Says what the client can do about it; must not repeat what the client sent.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Adds a parameter or field to blame; the name must be one of ours, not the client's spelling.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        let error = FieldError { field: field.into(), message: message.into() };
        self.errors.get_or_insert_default().push(error);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Body::from_json(&self).expect("strings and a number always serialize");
        Response::builder().status(status).header(header::CONTENT_TYPE, CONTENT_TYPE).body(body)
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        Self::from_response(problem.into_response())
    }
}

/// Why a request was refused or failed, for our log only.
///
/// Whoever makes an answer may attach it, to a response (`response.set_data(reason)`) or to an error
/// (`error.set_data(reason)`); it ends up in the request's one line in the access log.
#[derive(Clone, Debug)]
pub struct Reason(Arc<str>);

impl Reason {
    /// States the reason; must not hold a secret.
    pub fn new(reason: impl AsRef<str>) -> Self {
        Self(reason.as_ref().into())
    }

    /// States an error with all its causes.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(chain(error))
    }

    /// The reason in words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An error and its causes in one line; a cause whose text the error above it repeats is left out.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
