//! Registration: how a person gets an account by themselves, where the operator lets them.

use std::{str::FromStr, time::Duration};

use secrecy::SecretString;

use super::{AccountError, PasswordHashing, Username};
use crate::{
    audit::{Event, Origin, RegistrationRefusal},
    clock, id, secret,
    store::{
        Store, StoreError, User, audit_event,
        invitation::{self, Model as Invitation, Registered},
        user,
    },
    throttle::{Throttle, ThrottleError},
};

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Whoever has an invitation.
    Invite,
    /// Everybody.
    Open,
}

impl FromStr for Registration {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "closed" => Ok(Self::Closed),
            "invite" => Ok(Self::Invite),
            "open" => Ok(Self::Open),
            _ => Err("expected closed, invite or open".to_owned()),
        }
    }
}

/// Registers people.
#[derive(Clone)]
pub(crate) struct Registrations {
    pub(crate) store: Store,
    pub(crate) hashing: PasswordHashing,
    pub(crate) throttle: Throttle,
    pub(crate) mode: Registration,
    /// The roles of a new account whose invitation brings none.
    pub(crate) roles: Vec<String>,
}

/// Why somebody was not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// Nobody is.
    #[error("registration is closed")]
    Closed,
    /// There is no invitation, or it is used up, expired or unknown.
    #[error("registration takes an invitation that has neither been used nor expired")]
    NotInvited,
    /// Too many requests have come from there.
    #[error("too many attempts; wait before the next one")]
    Throttled {
        /// When the next one will be looked at.
        retry_after: Duration,
    },
    /// Name or password are not acceptable, or the name is taken.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<StoreError> for RegistrationError {
    fn from(error: StoreError) -> Self {
        Self::Account(error.into())
    }
}

impl Registrations {
    /// Creates the account of a person who asks for it, and returns its identifier.
    pub(crate) async fn register(
        &self,
        username: &str,
        password: &str,
        invitation: Option<&str>,
        origin: &Origin,
    ) -> Result<String, RegistrationError> {
        match self.mode {
            Registration::Closed => return Err(RegistrationError::Closed),
            Registration::Invite | Registration::Open => {}
        }
        match self.throttle.registration(origin).await {
            Ok(()) => {}
            Err(ThrottleError::Throttled { retry_after }) => {
                self.refuse(RegistrationRefusal::Throttled, origin).await?;
                return Err(RegistrationError::Throttled { retry_after });
            }
            Err(ThrottleError::Store(error)) => return Err(error.into()),
        }
        let canonical: Username = username.parse().map_err(AccountError::from)?;
        self.hashing.check_new(password, &canonical).map_err(AccountError::from)?;
        let digest = invitation.map(secret::digest);
        let Some(roles) = self.roles_with(invitation, digest.as_deref()).await? else { return self.not_invited(origin).await };
        // Hashed before the name is looked for: a name that is taken takes as long as a free one.
        let password_hash = self.hashing.hash_new(password, &canonical).await.map_err(AccountError::from)?;
        let id = id::user();
        let now = clock::now();
        let row = User {
            id: id.clone(),
            username: username.to_owned(),
            canonical: canonical.to_string(),
            password_hash: user::PasswordHash(password_hash),
            state: user::State::Active,
            must_change_password: false,
            generation: 0,
            created_at: now,
            updated_at: now,
            version: 1,
            display_name: None,
        };
        let event = origin.clone().by(&id).record(Event::UserRegistered, Some(&id), None);
        match invitation::register(&self.store, row, &roles, digest.as_deref(), event).await? {
            Registered::Done => Ok(id),
            Registered::UsernameTaken => {
                self.throttle.name_was_told(username, origin).await?;
                self.refuse(RegistrationRefusal::UsernameTaken, origin).await?;
                Err(AccountError::UsernameTaken(canonical.to_string()).into())
            }
            Registered::UnknownRole => Err(AccountError::UnknownRole.into()),
            Registered::NotInvited => self.not_invited(origin).await,
        }
    }

    /// The roles of an account that is made with this invitation; none if it takes another.
    async fn roles_with(&self, code: Option<&str>, digest: Option<&str>) -> Result<Option<Vec<String>>, StoreError> {
        let (Some(code), Some(digest)) = (code, digest) else {
            return Ok((self.mode == Registration::Open).then(|| self.roles.clone()));
        };
        if !secret::is_well_formed(secret::Kind::Invitation, code) {
            return Ok(None);
        }
        let roles = invitation::roles_of(&self.store, digest, clock::now()).await?;
        Ok(roles.map(|roles| if roles.is_empty() { self.roles.clone() } else { roles }))
    }

    async fn not_invited(&self, origin: &Origin) -> Result<String, RegistrationError> {
        self.refuse(RegistrationRefusal::NotInvited, origin).await?;
        Err(RegistrationError::NotInvited)
    }

    async fn refuse(&self, refusal: RegistrationRefusal, origin: &Origin) -> Result<(), StoreError> {
        tracing::info!(reason = refusal.code(), "Refused a registration");
        audit_event::record(&self.store, origin.record(Event::RegistrationRefused(refusal), None, None)).await
    }
}

/// Makes an invitation that brings these roles and ends after `lifetime`; its code is returned once and kept as a digest.
pub(crate) async fn invite(
    store: &Store,
    roles: &[String],
    lifetime: Duration,
    origin: &Origin,
) -> Result<SecretString, AccountError> {
    let code = secret::make(secret::Kind::Invitation);
    let now = clock::now();
    let row = Invitation {
        id: id::invitation(),
        digest: secret::digest(&code),
        roles: roles.join(" "),
        created_at: now,
        expires_at: now + clock::seconds(lifetime),
        used_by: None,
    };
    let event = origin.record(Event::InvitationCreated, None, None);
    let is_created = invitation::create(store, row, event).await?;
    if is_created { Ok(SecretString::from(code.to_string())) } else { Err(AccountError::UnknownRole) }
}
