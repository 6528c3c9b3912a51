//! Everything worth recording, recorded by the domain in the same transaction as the change it tells of.

mod applied;
mod chain;
mod names;
mod search;

use shared::server::context::RequestContext;

use crate::{
    clock, id,
    store::{AuditEvent, Denial, session::Ended},
};

pub(crate) use self::{
    applied::Applied,
    chain::{Chain, Verification},
    names::NameKey,
    search::{AuditLog, Filter, Recorded},
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    LoginSucceeded,
    LoginRefused(LoginRefusal),
    ClientRefused(ClientRefusal),
    UserCreated,
    UserRegistered,
    RegistrationRefused(RegistrationRefusal),
    InvitationCreated,
    PasswordSet,
    PasswordChanged,
    GuessesForgiven,
    UserStateChanged,
    UserRolesChanged,
    UserChanged,
    UserDeleted,
    RoleCreated,
    RoleChanged,
    RoleDeleted,
    ResourceCreated,
    ResourceChanged,
    ResourceDeleted,
    ClientCreated,
    ClientChanged,
    ClientDeleted,
    ClientSecretRemoved,
    ClientSecretAdded,
    ClientStateChanged,
    TokenRefreshed,
    RefreshRefused(RefreshRefusal),
    AccessTokenRevoked,
    SessionEnded(Ended),
    SigningKeyCreated,
    SigningKeyRotated,
    SigningKeyRevoked,
    ApiKeyCreated,
    ApiKeyRotated,
    ApiKeyRevoked,
    ApiKeyExchanged,
    ApiKeyRefused(ApiKeyRefusal),
    /// An administrator wanted what is not theirs to do.
    Denied(Denial),
    /// A change of what a file describes, or one that the command line makes in the same way.
    Applied(Applied),
}

/// Why a refresh token was refused: for the record, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshRefusal {
    Malformed,
    Unknown,
    OtherClient,
    Ended,
    Expired,
    UserChanged,
    NoRights,
}

/// Why an API key was refused: for the record, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiKeyRefusal {
    Malformed,
    Unknown,
    WrongSecret,
    Revoked,
    Expired,
    OwnerDisabled,
    NoRights,
    Throttled,
}

/// Why a login was refused: for the record, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginRefusal {
    UnknownUser,
    WrongPassword,
    Disabled,
    MustChangePassword,
    NothingToChange,
    NoRights,
    Throttled,
}

/// Why somebody was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistrationRefusal {
    NotInvited,
    UsernameTaken,
    Throttled,
}

/// Why a client was refused: for the record, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientRefusal {
    Unknown,
    Disabled,
    WrongSecret,
    MissingSecret,
    UnexpectedSecret,
    TwoClients,
    Throttled,
}

impl Event {
    const fn action(self) -> &'static str {
        match self {
            Self::LoginSucceeded | Self::LoginRefused(_) => "login",
            Self::ClientRefused(_) => "client.authenticate",
            Self::UserCreated => "user.create",
            Self::UserRegistered | Self::RegistrationRefused(_) => "user.register",
            Self::InvitationCreated => "invitation.create",
            Self::PasswordSet => "user.set_password",
            Self::PasswordChanged => "user.change_password",
            Self::GuessesForgiven => "user.unlock",
            Self::UserStateChanged => "user.set_state",
            Self::UserRolesChanged => "user.set_roles",
            Self::UserChanged => "user.change",
            Self::UserDeleted => "user.delete",
            Self::RoleCreated => "role.create",
            Self::RoleChanged => "role.change",
            Self::RoleDeleted => "role.delete",
            Self::ResourceCreated => "resource.create",
            Self::ResourceChanged => "resource.change",
            Self::ResourceDeleted => "resource.delete",
            Self::ClientCreated => "client.create",
            Self::ClientChanged => "client.change",
            Self::ClientDeleted => "client.delete",
            Self::ClientSecretAdded => "client.add_secret",
            Self::ClientSecretRemoved => "client.remove_secret",
            Self::ClientStateChanged => "client.set_state",
            Self::TokenRefreshed | Self::RefreshRefused(_) => "refresh",
            Self::AccessTokenRevoked => "access_token.revoke",
            Self::SessionEnded(_) => "session.end",
            Self::SigningKeyCreated => "signing_key.create",
            Self::SigningKeyRotated => "signing_key.rotate",
            Self::SigningKeyRevoked => "signing_key.revoke",
            Self::ApiKeyCreated => "api_key.create",
            Self::ApiKeyRotated => "api_key.rotate",
            Self::ApiKeyRevoked => "api_key.revoke",
            Self::ApiKeyExchanged | Self::ApiKeyRefused(_) => "api_key.exchange",
            Self::Denied(_) => "authz.denied",
            Self::Applied(applied) => applied.action(),
        }
    }

    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::LoginRefused(refusal) => Some(refusal.code()),
            Self::ClientRefused(refusal) => Some(refusal.code()),
            Self::RefreshRefused(refusal) => Some(refusal.code()),
            Self::ApiKeyRefused(refusal) => Some(refusal.code()),
            Self::RegistrationRefused(refusal) => Some(refusal.code()),
            Self::SessionEnded(why) => Some(ended_code(why)),
            Self::Denied(denial) => Some(denial.code()),
            Self::LoginSucceeded
            | Self::UserCreated
            | Self::UserRegistered
            | Self::InvitationCreated
            | Self::PasswordSet
            | Self::PasswordChanged
            | Self::GuessesForgiven
            | Self::UserStateChanged
            | Self::UserRolesChanged
            | Self::UserChanged
            | Self::UserDeleted
            | Self::RoleCreated
            | Self::RoleChanged
            | Self::RoleDeleted
            | Self::ResourceCreated
            | Self::ResourceChanged
            | Self::ResourceDeleted
            | Self::ClientChanged
            | Self::ClientDeleted
            | Self::ClientSecretRemoved
            | Self::ClientCreated
            | Self::ClientSecretAdded
            | Self::ClientStateChanged
            | Self::TokenRefreshed
            | Self::AccessTokenRevoked
            | Self::SigningKeyCreated
            | Self::SigningKeyRotated
            | Self::SigningKeyRevoked
            | Self::ApiKeyCreated
            | Self::ApiKeyRotated
            | Self::ApiKeyRevoked
            | Self::ApiKeyExchanged
            | Self::Applied(_) => None,
        }
    }

    const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::LoginRefused(_)
                | Self::ClientRefused(_)
                | Self::RefreshRefused(_)
                | Self::ApiKeyRefused(_)
                | Self::RegistrationRefused(_)
                | Self::Denied(_)
        )
    }

    /// Whether it was refused without being looked at.
    const fn is_throttled(self) -> bool {
        matches!(
            self,
            Self::LoginRefused(LoginRefusal::Throttled)
                | Self::ClientRefused(ClientRefusal::Throttled)
                | Self::ApiKeyRefused(ApiKeyRefusal::Throttled)
                | Self::RegistrationRefused(RegistrationRefusal::Throttled)
        )
    }

    const fn outcome(self) -> &'static str {
        if self.is_throttled() {
            "throttled"
        } else if self.is_refusal() {
            "refused"
        } else {
            "ok"
        }
    }
}

const fn ended_code(why: Ended) -> &'static str {
    match why {
        Ended::Revoked => "revoked",
        Ended::Reused => "reused",
        Ended::LoggedOut => "logged_out",
        Ended::PasswordChanged => "password_changed",
        Ended::UserDisabled => "user_disabled",
        Ended::ClientDisabled => "client_disabled",
        Ended::RightsChanged => "rights_changed",
    }
}

impl Denial {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::MissingScope => "missing_scope",
            Self::NoLonger => "no_longer",
            Self::OwnRights => "own_rights",
            Self::BeyondOwn => "beyond_own",
            Self::EqualOrHigher => "equal_or_higher",
            Self::LastAdmin => "last_admin",
        }
    }
}

impl RefreshRefusal {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::OtherClient => "other_client",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::UserChanged => "user_changed",
            Self::NoRights => "no_rights",
        }
    }
}

impl ApiKeyRefusal {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::OwnerDisabled => "owner_disabled",
            Self::NoRights => "no_rights",
            Self::Throttled => "throttled",
        }
    }
}

impl LoginRefusal {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Disabled => "disabled",
            Self::MustChangePassword => "must_change_password",
            Self::NothingToChange => "nothing_to_change",
            Self::NoRights => "no_rights",
            Self::Throttled => "throttled",
        }
    }
}

impl RegistrationRefusal {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NotInvited => "not_invited",
            Self::UsernameTaken => "username_taken",
            Self::Throttled => "throttled",
        }
    }
}

impl ClientRefusal {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_client",
            Self::Disabled => "disabled",
            Self::WrongSecret => "wrong_secret",
            Self::MissingSecret => "missing_secret",
            Self::UnexpectedSecret => "unexpected_secret",
            Self::TwoClients => "two_clients",
            Self::Throttled => "throttled",
        }
    }
}

/// Who did it, and by which request.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    actor: Option<String>,
    ip: Option<String>,
    request_id: Option<String>,
    device: Option<String>,
}

impl Origin {
    /// The operator at the command line, or the service itself.
    pub(crate) fn local(actor: &str) -> Self {
        Self { actor: Some(actor.to_owned()), ip: None, request_id: None, device: None }
    }

    /// A request from the network.
    pub(crate) fn request(context: &RequestContext) -> Self {
        Self {
            actor: None,
            ip: Some(context.client_ip.to_string()),
            request_id: Some(context.request_id.to_string()),
            device: context.user_agent.as_deref().map(ToOwned::to_owned),
        }
    }

    /// The same request, made by this caller.
    #[must_use]
    pub(crate) fn by(self, actor: &str) -> Self {
        Self { actor: Some(actor.to_owned()), ..self }
    }

    /// The address it comes from; empty if it does not come from the network.
    pub(crate) fn ip(&self) -> &str {
        self.ip.as_deref().unwrap_or_default()
    }

    /// What the program that asks calls itself.
    pub(crate) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The record of an event: about whom, and through which client.
    pub(crate) fn record(&self, event: Event, subject: Option<&str>, client_id: Option<&str>) -> AuditEvent {
        AuditEvent {
            id: id::audit_event(),
            at: clock::now(),
            action: event.action().to_owned(),
            outcome: event.outcome().to_owned(),
            reason: event.reason().map(ToOwned::to_owned),
            actor: self.actor.clone(),
            subject: subject.map(ToOwned::to_owned),
            client_id: client_id.map(ToOwned::to_owned),
            ip: self.ip.clone(),
            request_id: self.request_id.clone(),
            detail: None,
            seq: None,
            hash: None,
        }
    }
}
