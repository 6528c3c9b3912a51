//! A person chooses another password: with a token, or without one where the old password is good for nothing else.

use shared::access_token::AccessTokenClaims;

use super::{LoginError, Logins, NewPasswordError, Purpose, SessionList, Username};
use crate::{
    audit::{Event, Origin},
    clock,
    store::{
        Store, StoreError, User,
        user::{self, PasswordChanged},
    },
};

/// Changes people's own passwords.
#[derive(Clone)]
pub(crate) struct PasswordChange {
    pub(crate) store: Store,
    pub(crate) logins: Logins,
    pub(crate) sessions: SessionList,
}

/// Why a person keeps the password they have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordChangeError {
    /// The token speaks for no person.
    #[error("this token does not speak for a person with an account")]
    NotAPerson,
    /// The new password is the one they have.
    #[error("the new password is the old one")]
    Unchanged,
    /// The new password is not acceptable.
    #[error(transparent)]
    Password(#[from] NewPasswordError),
    /// The current password was not accepted.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The account was changed at the same moment.
    #[error("the account was changed at the same moment")]
    Outrun,
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PasswordChange {
    /// Changes the password of whom a token speaks for. Their other sessions end; the one of the token goes on.
    pub(crate) async fn own(
        &self,
        claims: &AccessTokenClaims,
        current: &str,
        new: &str,
        origin: &Origin,
    ) -> Result<(), PasswordChangeError> {
        let user = user::by_id(&self.store, &claims.sub).await?.ok_or(PasswordChangeError::NotAPerson)?;
        self.check(&user.username, current, new)?;
        let client_id = Some(&*claims.client_id);
        let login = self.logins.log_in(&user.username, current, Purpose::OwnPassword, client_id, origin).await?;
        let kept = self.sessions.of_token(claims).await?;
        self.change(&login.user, new, kept.as_deref(), origin).await
    }

    /// Changes a password that must be changed before anything else.
    pub(crate) async fn forced(
        &self,
        username: &str,
        current: &str,
        new: &str,
        origin: &Origin,
    ) -> Result<(), PasswordChangeError> {
        self.check(username, current, new)?;
        let login = self.logins.log_in(username, current, Purpose::ForcedPassword, None, origin).await?;
        let origin = origin.clone().by(&login.user.id);
        self.change(&login.user, new, None, &origin).await
    }

    /// What can be said about the new password before anything is known about the old one.
    fn check(&self, username: &str, current: &str, new: &str) -> Result<(), PasswordChangeError> {
        // Nobody has a name that is none, so that the login will be refused.
        let Ok(username) = username.parse::<Username>() else { return Ok(()) };
        self.logins.hashing().check_new(new, &username)?;
        if current == new { Err(PasswordChangeError::Unchanged) } else { Ok(()) }
    }

    async fn change(&self, user: &User, new: &str, kept: Option<&str>, origin: &Origin) -> Result<(), PasswordChangeError> {
        let password_hash = self.logins.hashing().rehash(new).await.map_err(NewPasswordError::Busy)?;
        let event = origin.record(Event::PasswordChanged, Some(&user.id), None);
        let changed = user::change_password(&self.store, user, password_hash, kept, clock::now(), event).await?;
        self.sessions.changed().await;
        match changed {
            PasswordChanged::Done => Ok(()),
            PasswordChanged::Outrun => Err(PasswordChangeError::Outrun),
        }
    }
}
