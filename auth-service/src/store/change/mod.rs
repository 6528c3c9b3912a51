//! Changes of who may do what. Each is made under a rule, on the facts as they are inside its own transaction.
//!
//! The rule is the domain's; the facts are read here. One such change happens at a time, in the whole database, so that
//! two administrators cannot take each other's rights away at once.

pub(crate) mod client;
pub(crate) mod resource;
pub(crate) mod role;
pub(crate) mod user;

use sea_orm::{DatabaseTransaction, ExprTrait, QuerySelect, entity::prelude::*};
use shared::scope::Scope;

use super::{AuditEvent, Store, StoreError, audit_event, setting};

/// Who wants a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The operator at the command line, who is above rank.
    Operator,
    User(String),
    Client(String),
}

/// Why a change is not for this one to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    /// The access token does not allow it.
    #[error("the access token lacks the scope")]
    MissingScope,
    /// The caller lost the right since the token was issued.
    #[error("you do not hold the right to do this any more")]
    NoLonger,
    /// It would change the caller's own rights.
    #[error("nobody changes their own rights, state or password here")]
    OwnRights,
    /// It would give what the caller does not hold.
    #[error("nobody gives or changes what they do not hold themselves")]
    BeyondOwn,
    /// Its object stands as high as the caller, or higher.
    #[error("the administrative rights concerned are equal to your own, or above them")]
    EqualOrHigher,
    /// Nobody would be left who holds the role `admin`.
    #[error("somebody must remain who holds the role `admin` with its rights")]
    LastAdmin,
}

/// Whether a change concerns the one who makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Own {
    /// It concerns somebody else.
    #[default]
    No,
    /// It concerns them, and nothing that they may do.
    Harmless,
    /// It concerns what they may do.
    Rights,
}

/// What a rule decides on, as it is within the transaction of the change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// What the one who acts holds.
    pub(crate) actor: Scope,
    /// The scope that the change takes.
    pub(crate) needs: Option<&'static str>,
    pub(crate) own: Own,
    /// What the object of the change holds.
    pub(crate) target: Scope,
    /// What others can reach through it.
    pub(crate) reach: Scope,
    /// What would be given, or changed.
    pub(crate) given: Scope,
    /// Whether nobody would be left with the role `admin` and its rights.
    pub(crate) strips_last_admin: bool,
}

/// A rule of who may make a change.
pub(crate) type Rule = fn(&Facts) -> Result<(), Denial>;

/// A change that somebody wants to make.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) who: Who,
    /// The scope that it takes.
    pub(crate) needs: Option<&'static str>,
    /// The versions on which it is meant; none: whichever there is.
    pub(crate) versions: Option<Vec<i64>>,
    pub(crate) rule: Rule,
    pub(crate) now: i64,
    /// The record of it.
    pub(crate) event: AuditEvent,
}

/// What came of it. Unless it is `Done`, nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// There is no such thing.
    NoMatch,
    /// It is not in one of those versions.
    OtherVersion,
    Denied(Denial),
    /// There is one of that name.
    Taken,
    /// This member names something that does not exist.
    Unknown(&'static str),
    /// Something else still needs it.
    InUse(String),
    /// There are as many as there may be.
    Full,
}

impl Deed {
    /// Begins the transaction, when no other such change is under way.
    async fn begin(&self, store: &Store) -> Result<DatabaseTransaction, StoreError> {
        let transaction = store.database.begin().await?;
        setting::Entity::find_by_id(setting::FIRST_CONTENT).lock_exclusive().one(&transaction).await?;
        Ok(transaction)
    }

    /// Takes the row of what is to be changed, if it is in one of the versions that are meant, and counts its version up.
    async fn take<E: EntityTrait>(
        &self,
        transaction: &DatabaseTransaction,
        (key, version): (E::Column, E::Column),
        id: &str,
    ) -> Result<Result<(), Outcome>, StoreError> {
        let mut update = E::update_many().col_expr(version, Expr::col(version).add(1)).filter(key.eq(id));
        if let Some(versions) = &self.versions {
            update = update.filter(version.is_in(versions.iter().copied()));
        }
        if update.exec(transaction).await?.rows_affected == 1 {
            return Ok(Ok(()));
        }
        let there = E::find().filter(key.eq(id)).one(transaction).await?;
        Ok(Err(if there.is_some() { Outcome::OtherVersion } else { Outcome::NoMatch }))
    }

    /// Asks the rule.
    async fn judge(&self, transaction: &DatabaseTransaction, facts: Facts) -> Result<Result<(), Outcome>, StoreError> {
        let actor = match &self.who {
            Who::Operator => Scope::default(),
            Who::User(id) => user::rights_of_active(transaction, id).await?,
            Who::Client(id) => client::rights_of_active(transaction, id).await?,
        };
        let facts = Facts { actor, needs: self.needs, ..facts };
        Ok((self.rule)(&facts).map_err(Outcome::Denied))
    }

    /// What of the change concerns the one who makes it, if this user or client is its object.
    fn own(&self, id: &str, own: Own) -> Own {
        match &self.who {
            Who::User(actor) | Who::Client(actor) if actor == id => own,
            Who::Operator | Who::User(_) | Who::Client(_) => Own::No,
        }
    }

    /// Records the change, and makes it.
    async fn done(self, store: &Store, transaction: DatabaseTransaction) -> Result<Outcome, StoreError> {
        audit_event::insert(&transaction, self.event).await?;
        store.known.mark(&transaction).await?;
        transaction.commit().await?;
        store.known.changed();
        Ok(Outcome::Done)
    }
}
