//! What administrators may do over HTTP: one file per noun. The rule of rank is in `rank.rs` and nowhere else.
//!
//! Whoever calls becomes an [`Actor`] at the [`Gate`]; what they want goes to the store as a deed under the rule, which is
//! decided inside the transaction of the change. Every change leaves one record, and so does every refusal.

mod clients;
pub(crate) mod rank;
mod resources;
mod roles;
mod signing_keys;
mod users;

use shared::{
    guard::{Caller, Refusal},
    server::{context::RequestContext, entity_tag::Precondition},
};

pub(crate) use self::{
    clients::{ClientDraft, Clients},
    resources::Resources,
    roles::Roles,
    signing_keys::SigningKeys,
    users::{UserDraft, Users},
};
pub(crate) use crate::store::{
    Client, Denial, Listed, SigningKeyRow, User,
    change::user::{Details, Reach},
    client::{Secret, State as ClientState},
    resource::Model as Resource,
    role::Model as Role,
    user::{Filter, State as UserState},
};
use crate::{
    account::{NewPasswordError, UsernameError},
    audit::{Event, Origin},
    clock, id,
    signing_key::KeyError,
    store::{
        AuditEvent, Store, StoreError, audit_event,
        change::{Deed, Outcome, Who},
    },
};

/// Lets callers in who have the scope, and records those who have not.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) store: Store,
}

/// Who acts, by which request, and on the strength of which scope.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    who: Who,
    needs: &'static str,
    origin: Origin,
}

/// Why a caller was not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnedAway {
    /// The access token does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The refusal could not be recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an administrator's wish was not fulfilled. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It is not in one of the versions that were named.
    #[error("it has changed since it was read")]
    Changed,
    /// It is not for this administrator to do.
    #[error(transparent)]
    Denied(Denial),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// A member of the body is not acceptable.
    #[error("{field}: {message}")]
    Unacceptable { field: &'static str, message: String },
    /// Too many passwords are being hashed.
    #[error("too many passwords are being hashed at the moment")]
    Busy,
    /// The signing keys could not be read or made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    fn unacceptable(field: &'static str, message: impl Into<String>) -> Self {
        Self::Unacceptable { field, message: message.into() }
    }
}

impl From<UsernameError> for AdminError {
    fn from(error: UsernameError) -> Self {
        Self::unacceptable("username", error.to_string())
    }
}

impl From<NewPasswordError> for AdminError {
    fn from(error: NewPasswordError) -> Self {
        match error {
            NewPasswordError::Busy(_) => Self::Busy,
            other => Self::unacceptable("password", other.to_string()),
        }
    }
}

impl Gate {
    /// Lets a caller in whose access token has the scope.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        scope: &'static str,
        context: &RequestContext,
    ) -> Result<Actor, TurnedAway> {
        let subject = caller.subject().to_owned();
        let origin = Origin::request(context).by(&subject);
        if let Err(refusal) = caller.require(scope) {
            let event = origin.record(Event::Denied(Denial::MissingScope), None, Some(caller.client_id()));
            audit_event::record(&self.store, event).await?;
            return Err(refusal.into());
        }
        let who = if subject.starts_with(id::USER) { Who::User(subject) } else { Who::Client(subject) };
        Ok(Actor { who, needs: scope, origin })
    }
}

impl Actor {
    /// A change that this actor wants to make, under the rule of rank.
    fn deed(&self, precondition: &Precondition, event: AuditEvent) -> Deed {
        let versions = match precondition {
            Precondition::None => None,
            Precondition::Versions(versions) => Some(versions.clone()),
        };
        Deed { who: self.who.clone(), needs: Some(self.needs), versions, rule: rank::rule, now: clock::now(), event }
    }

    /// Tells what came of a change, and records a denial.
    async fn settle(&self, store: &Store, outcome: Outcome, noun: &'static str, about: About<'_>) -> Result<(), AdminError> {
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::NoMatch => Err(AdminError::NotFound(noun)),
            Outcome::OtherVersion => Err(AdminError::Changed),
            Outcome::Taken => {
                Err(AdminError::Conflict(format!("There is a {noun} of that name already, or one that it could be taken for.")))
            }
            Outcome::Unknown(field) => Err(AdminError::unacceptable(field, "names something that does not exist")),
            Outcome::InUse(why) => Err(AdminError::Conflict(format!("It is still in use: {why}."))),
            Outcome::Full => Err(AdminError::Conflict("The client has two secrets already; delete one first.".to_owned())),
            Outcome::Denied(denial) => {
                let (subject, client_id) = match about {
                    About::Subject(id) => (Some(id), None),
                    About::Client(id) => (None, Some(id)),
                };
                tracing::info!(reason = denial.code(), "Denied a change of the {noun}");
                audit_event::record(store, self.origin.record(Event::Denied(denial), subject, client_id)).await?;
                Err(AdminError::Denied(denial))
            }
        }
    }
}

/// What a change is about, for the record.
#[derive(Clone, Copy)]
enum About<'a> {
    /// A user, role, resource or key.
    Subject(&'a str),
    Client(&'a str),
}

/// Cuts what was read with one more than asked for into a page, and says behind what the next one begins.
fn cut<T>(mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> String) -> Listed<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = if has_more { items.last().map(key) } else { None };
    Listed { items, next }
}
