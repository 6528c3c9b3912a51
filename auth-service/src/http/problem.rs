//! What the domain's failures are in HTTP's terms, outside the OAuth endpoints.

use std::time::Duration;

use shared::server::problem::Refused;

use crate::{
    StoreError,
    admin::{AdminError, Denial, TurnedAway},
};

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The database is away or busy: the caller may try again.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unavailable(error: StoreError) -> Refused {
    Refused::unavailable(&error, RETRY_AFTER)
}

impl From<TurnedAway> for Refused {
    fn from(turned_away: TurnedAway) -> Self {
        match turned_away {
            TurnedAway::Refused(refusal) => refusal.into(),
            TurnedAway::Store(error) => unavailable(error),
        }
    }
}

impl From<AdminError> for Refused {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound(noun) => Self::not_found(format!("There is no such {noun}.")),
            AdminError::Changed => Self::precondition_failed("It is not in a version that you named."),
            AdminError::Denied(denial @ Denial::LastAdmin) => Self::conflict(sentence(denial)),
            AdminError::Denied(denial) => Self::forbidden(sentence(denial)),
            AdminError::Conflict(why) => Self::conflict(why),
            AdminError::Unacceptable { field, message } => Self::unprocessable(field, message),
            AdminError::Busy => Self::unavailable(&error, RETRY_AFTER),
            AdminError::Key(error) => Self::unavailable(&error, RETRY_AFTER),
            AdminError::Store(error) => unavailable(error),
        }
    }
}

/// A denial as a sentence of its own.
fn sentence(denial: Denial) -> String {
    let text = denial.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_ascii_uppercase(), letters.as_str()))
}
