//! Requests that never become one, yet get a proper answer.

use poem::http::StatusCode;

use crate::server::problem::{Problem, Reason};

/// Why a connection is answered without a request having been read from it.
///
/// The listener hands it to the application as an extension of an otherwise empty request, so that the answer has the same
/// headers, the same body and the same line in the log as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Unserved {
    /// The head is not HTTP: hyper said so, with this status.
    Malformed(StatusCode),
    /// Two servers could disagree on where the request ends.
    Ambiguous,
    /// The head did not arrive in time.
    TooSlow,
    /// There are too many connections.
    TooMany,
}

impl Unserved {
    /// The status it is answered with.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed(status) => status,
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the client is told.
    fn detail(self) -> &'static str {
        match self {
            Self::Malformed(StatusCode::URI_TOO_LONG) => "The path and query are too long.",
            Self::Malformed(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => "The request headers are too large.",
            Self::Malformed(_) => "The request is not well-formed HTTP.",
            Self::Ambiguous => "The request can be read in two ways.",
            Self::TooSlow => "The request did not arrive in time.",
            Self::TooMany => "Too many connections; try again shortly.",
        }
    }
}

impl From<Unserved> for poem::Error {
    fn from(unserved: Unserved) -> Self {
        let mut error: Self = Problem::new(unserved.status()).detail(unserved.detail()).into();
        // There is no path to tell such requests apart by in the log.
        error.set_data(Reason::new(unserved.detail()));
        error
    }
}
