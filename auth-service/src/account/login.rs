//! Logging in with a password.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use shared::server::metrics::Metrics;

use super::{
    PasswordHashing, Username,
    password::{Busy, Verdict},
};
use crate::{
    audit::{Event, LoginRefusal, NameKey, Origin},
    store::{Store, StoreError, User, audit_event, user},
    throttle::{Throttle, ThrottleError},
};

/// Proves who people are.
#[derive(Clone)]
pub(crate) struct Logins {
    store: Store,
    hashing: PasswordHashing,
    throttle: Throttle,
    names: NameKey,
    outcomes: Family<Outcome, Counter>,
}

/// What came of a login.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

const SUCCEEDED: Outcome = Outcome { outcome: "succeeded" };
const BUSY: Outcome = Outcome { outcome: "busy" };

/// A person who has proved who they are.
pub(crate) struct Login {
    pub(crate) user: User,
}

/// What somebody shows a password for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Tokens: not with a password that is only good for choosing another one.
    Tokens,
    /// Another password, with a token.
    OwnPassword,
    /// Another password, without a token: only with a password that is good for nothing else.
    ForcedPassword,
}

/// Why a login did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// Refused: the caller is not told why.
    #[error("the username or the password is wrong, or the account cannot be used")]
    Refused,
    /// Not looked at, after too many that were refused.
    #[error("too many attempts have failed; wait before the next one")]
    Throttled {
        /// When the next one will be looked at.
        retry_after: Duration,
    },
    /// Too many at once.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Logins {
    pub(crate) fn new(store: Store, hashing: PasswordHashing, throttle: Throttle, names: NameKey) -> Self {
        Self { store, hashing, throttle, names, outcomes: Family::default() }
    }

    /// Publishes how logins end.
    pub(crate) fn publish(&self, metrics: &Metrics) {
        let refusals = [LoginRefusal::UnknownUser, LoginRefusal::WrongPassword, LoginRefusal::Throttled];
        let usual = refusals.map(|refusal| Outcome { outcome: refusal.code() });
        for outcome in [SUCCEEDED, BUSY].iter().chain(&usual) {
            drop(self.outcomes.get_or_create(outcome));
        }
        metrics.register(|registry| {
            registry.register("logins", "Passwords that were shown, by what came of it", self.outcomes.clone());
        });
    }

    /// What hashes passwords here.
    pub(super) const fn hashing(&self) -> &PasswordHashing {
        &self.hashing
    }

    /// Compares a password. Unknown, disabled and wrong take the same work and give the same answer.
    pub(crate) async fn log_in(
        &self,
        username: &str,
        password: &str,
        purpose: Purpose,
        client_id: Option<&str>,
        origin: &Origin,
    ) -> Result<Login, LoginError> {
        let found = match username.parse::<Username>() {
            Ok(username) => user::by_canonical(&self.store, username.as_str()).await?,
            Err(_) => None,
        };
        let user_id = found.as_ref().map(|user| user.id.clone());
        let attempt = match self.throttle.attempt(username, client_id.unwrap_or_default(), origin).await {
            Ok(attempt) => attempt,
            Err(ThrottleError::Throttled { retry_after }) => {
                self.record(LoginRefusal::Throttled, who(user_id.as_deref(), username), client_id, origin).await?;
                return Err(LoginError::Throttled { retry_after });
            }
            Err(ThrottleError::Store(error)) => return Err(error.into()),
        };
        let verdict = match self.hashing.verify(password, found.as_ref().map(|user| user.password_hash.0.as_str())).await {
            Ok(verdict) => verdict,
            Err(busy) => {
                self.outcomes.get_or_create(&BUSY).inc();
                self.throttle.given_back(attempt).await?;
                return Err(busy.into());
            }
        };
        let user = match judge(found, verdict, purpose) {
            Ok(user) => user,
            Err(refusal) => {
                self.throttle.failed(attempt).await?;
                self.record(refusal, who(user_id.as_deref(), username), client_id, origin).await?;
                return Err(LoginError::Refused);
            }
        };
        self.throttle.succeeded(attempt).await?;
        self.outcomes.get_or_create(&SUCCEEDED).inc();
        if verdict == Verdict::RightButOutdated {
            let renewed = self.hashing.rehash(password).await?;
            user::rehash(&self.store, &user.id, &user.password_hash.0, renewed).await?;
        }
        Ok(Login { user })
    }

    /// Records a refusal and turns it into the one answer that every refusal gets.
    pub(crate) async fn refuse(
        &self,
        refusal: LoginRefusal,
        user_id: Option<&str>,
        client_id: Option<&str>,
        origin: &Origin,
    ) -> LoginError {
        match self.record(refusal, Who::Known(user_id), client_id, origin).await {
            Ok(()) => LoginError::Refused,
            Err(error) => LoginError::Store(error),
        }
    }

    /// A name that nobody has is recorded only so that it can be recognised when it comes again.
    async fn record(
        &self,
        refusal: LoginRefusal,
        who: Who<'_>,
        client_id: Option<&str>,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        self.outcomes.get_or_create(&Outcome { outcome: refusal.code() }).inc();
        let (user_id, unknown) = match who {
            Who::Known(user_id) => (user_id, None),
            Who::Unknown(username) => (None, Some(self.names.of_unknown(username))),
        };
        tracing::info!(client.id = client_id, user.id = user_id, reason = refusal.code(), "Refused a login");
        let mut event = origin.record(Event::LoginRefused(refusal), user_id, client_id);
        event.detail = unknown;
        audit_event::record(&self.store, event).await
    }
}

/// Who was refused.
#[derive(Clone, Copy)]
enum Who<'a> {
    Known(Option<&'a str>),
    /// Nobody has this name.
    Unknown(&'a str),
}

fn who<'a>(user_id: Option<&'a str>, username: &'a str) -> Who<'a> {
    user_id.map_or(Who::Unknown(username), |id| Who::Known(Some(id)))
}

/// Whether a password opens an account for this purpose.
fn judge(found: Option<User>, verdict: Verdict, purpose: Purpose) -> Result<User, LoginRefusal> {
    let user = found.ok_or(LoginRefusal::UnknownUser)?;
    match (verdict, user.state) {
        (Verdict::Wrong, _) => return Err(LoginRefusal::WrongPassword),
        (Verdict::Right | Verdict::RightButOutdated, user::State::Disabled) => return Err(LoginRefusal::Disabled),
        (Verdict::Right | Verdict::RightButOutdated, user::State::Active) => {}
    }
    match (purpose, user.must_change_password) {
        (Purpose::Tokens, true) => Err(LoginRefusal::MustChangePassword),
        (Purpose::ForcedPassword, false) => Err(LoginRefusal::NothingToChange),
        (Purpose::Tokens, false) | (Purpose::ForcedPassword, true) | (Purpose::OwnPassword, _) => Ok(user),
    }
}
