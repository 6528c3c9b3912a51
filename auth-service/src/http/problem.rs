//! What the domain's failures are in HTTP's terms, outside the OAuth endpoints.

use std::time::Duration;

use shared::server::problem::Refused;

use crate::{
    StoreError,
    account::{AccountError, LoginError, NewPasswordError, PasswordChangeError, RegistrationError},
    admin::{AdminError, Denial, TurnedAway},
};

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The database is away or busy: the caller may try again.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unavailable(error: StoreError) -> Refused {
    Refused::unavailable(&error, RETRY_AFTER)
}

/// A new password that came in this member of the body cannot be set.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn new_password(member: &str, error: NewPasswordError) -> Refused {
    match error {
        NewPasswordError::Busy(_) => Refused::away(RETRY_AFTER),
        NewPasswordError::TooShort(_)
        | NewPasswordError::TooLong
        | NewPasswordError::Common
        | NewPasswordError::OwnName
        | NewPasswordError::Nul => Refused::unprocessable(member, error.to_string()),
    }
}

impl From<PasswordChangeError> for Refused {
    fn from(error: PasswordChangeError) -> Self {
        let message = error.to_string();
        match error {
            PasswordChangeError::NotAPerson => Self::not_found(message),
            PasswordChangeError::Unchanged => Self::unprocessable("new_password", message),
            PasswordChangeError::Password(error) => new_password("new_password", error),
            PasswordChangeError::Login(LoginError::Refused) => Self::forbidden(message),
            PasswordChangeError::Login(LoginError::Throttled { retry_after }) => Self::too_many_requests(retry_after),
            PasswordChangeError::Login(LoginError::Busy(_)) => Self::away(RETRY_AFTER),
            PasswordChangeError::Outrun => Self::conflict(message),
            PasswordChangeError::Login(LoginError::Store(error)) | PasswordChangeError::Store(error) => unavailable(error),
        }
    }
}

impl From<TurnedAway> for Refused {
    fn from(turned_away: TurnedAway) -> Self {
        match turned_away {
            TurnedAway::Refused(refusal) => refusal.into(),
            TurnedAway::Store(error) => unavailable(error),
        }
    }
}

impl From<RegistrationError> for Refused {
    fn from(error: RegistrationError) -> Self {
        let message = error.to_string();
        match error {
            RegistrationError::Closed => Self::not_found(message),
            RegistrationError::NotInvited => Self::forbidden(message),
            RegistrationError::Throttled { retry_after } => Self::too_many_requests(retry_after),
            RegistrationError::Account(error) => match error {
                AccountError::UsernameTaken(_) => Self::conflict("This username is taken."),
                AccountError::Username(error) => Self::unprocessable("username", error.to_string()),
                AccountError::Password(error) => new_password("password", error),
                AccountError::Store(error) => unavailable(error),
                // The operator's roles or none: nothing that the caller could put right.
                AccountError::UnknownRole
                | AccountError::UnknownUser(_)
                | AccountError::Import(_)
                | AccountError::LastAdmin(_) => Self::failed(&error),
            },
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
