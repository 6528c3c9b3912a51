//! How refusals of the domain are told: the one place that turns them into a status.

use std::time::Duration;

use poem::http::StatusCode;
use poem_openapi::payload::Json;
use shared::server::problem::{Problem, Refused};

use crate::document::{DocumentError, Faults};

/// How long a caller should wait while the database is away.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl From<DocumentError> for Refused {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::NotFound => Self::not_found("There is no such document."),
            DocumentError::Changed => Self::precondition_failed("The document is not in a version that you named."),
            DocumentError::Full(limit) => Self::conflict(format!(
                "You already have {limit} documents, which is as many as one owner may have. Delete one first."
            )),
            DocumentError::Refused(refusal) => refusal.into(),
            DocumentError::Store(error) => Self::unavailable(&error, RETRY_AFTER),
        }
    }
}

impl From<Faults> for Refused {
    /// The body was understood, and says what cannot be kept.
    fn from(Faults(faults): Faults) -> Self {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail("The document cannot be kept like this.");
        let problem = faults.into_iter().fold(problem, |problem, fault| problem.field(fault.field, fault.message));
        Self::UnprocessableEntity(Json(problem))
    }
}
