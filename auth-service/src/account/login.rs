//! Logging in with a password.

use super::{
    PasswordHashing, Username,
    password::{Busy, Verdict},
};
use crate::{
    audit::{Event, LoginRefusal, NameKey, Origin},
    store::{AuditEvent, Store, StoreError, User, audit_event, user},
};

/// Proves who people are.
#[derive(Clone)]
pub(crate) struct Logins {
    store: Store,
    hashing: PasswordHashing,
    names: NameKey,
}

/// A person who has proved who they are.
pub(crate) struct Login {
    pub(crate) user: User,
}

/// Why a login did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// Refused: the caller is not told why.
    #[error("the username or the password is wrong, or the account cannot be used")]
    Refused,
    /// Too many at once.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Logins {
    pub(crate) const fn new(store: Store, hashing: PasswordHashing, names: NameKey) -> Self {
        Self { store, hashing, names }
    }

    /// Compares a password. Unknown, disabled and wrong take the same work and give the same answer.
    pub(crate) async fn log_in(
        &self,
        username: &str,
        password: &str,
        client_id: &str,
        origin: &Origin,
    ) -> Result<Login, LoginError> {
        let found = match username.parse::<Username>() {
            Ok(username) => user::by_canonical(&self.store, username.as_str()).await?,
            Err(_) => None,
        };
        let verdict = self.hashing.verify(password, found.as_ref().map(|user| user.password_hash.0.as_str())).await?;
        let Some(user) = found else { return Err(self.refuse_unknown(username, client_id, origin).await) };
        let refusal = match (verdict, user.state) {
            (Verdict::Wrong, _) => Some(LoginRefusal::WrongPassword),
            (Verdict::Right | Verdict::RightButOutdated, user::State::Disabled) => Some(LoginRefusal::Disabled),
            (Verdict::Right | Verdict::RightButOutdated, user::State::Active) => None,
        };
        if let Some(refusal) = refusal {
            return Err(self.refuse(refusal, Some(&user.id), client_id, origin).await);
        }
        if verdict == Verdict::RightButOutdated {
            let renewed = self.hashing.rehash(password).await?;
            user::rehash(&self.store, &user.id, &user.password_hash.0, renewed).await?;
        }
        Ok(Login { user })
    }

    /// The same for a name that nobody has: it is recorded only so that it can be recognised when it comes again.
    async fn refuse_unknown(&self, username: &str, client_id: &str, origin: &Origin) -> LoginError {
        let refusal = LoginRefusal::UnknownUser;
        tracing::info!(client.id = %client_id, reason = refusal.code(), "Refused a login");
        let mut event = origin.record(Event::LoginRefused(refusal), None, Some(client_id));
        event.detail = Some(self.names.of_unknown(username));
        self.keep(event).await
    }

    /// Records a refusal and turns it into the one answer that every refusal gets.
    pub(crate) async fn refuse(
        &self,
        refusal: LoginRefusal,
        user_id: Option<&str>,
        client_id: &str,
        origin: &Origin,
    ) -> LoginError {
        tracing::info!(client.id = %client_id, user.id = user_id, reason = refusal.code(), "Refused a login");
        let event = origin.record(Event::LoginRefused(refusal), user_id, Some(client_id));
        self.keep(event).await
    }

    async fn keep(&self, event: AuditEvent) -> LoginError {
        match audit_event::record(&self.store, event).await {
            Ok(()) => LoginError::Refused,
            Err(error) => LoginError::Store(error),
        }
    }
}
