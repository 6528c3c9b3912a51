//! Everything worth recording, recorded by the domain in the same transaction as the change it tells of.

mod applied;
mod chain;
mod names;
mod search;

use shared::server::context::RequestContext;

use crate::{
    clock, id,
    store::{AuditEvent, session::Ended},
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
    PasswordSet,
    UserStateChanged,
    UserRolesChanged,
    ClientCreated,
    ClientSecretAdded,
    ClientStateChanged,
    TokenRefreshed,
    RefreshRefused(RefreshRefusal),
    AccessTokenRevoked,
    SessionEnded(Ended),
    SigningKeyCreated,
    SigningKeyRotated,
    SigningKeyRevoked,
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

/// Why a login was refused: for the record, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginRefusal {
    UnknownUser,
    WrongPassword,
    Disabled,
    MustChangePassword,
    NoRights,
}

/// Why a client was refused: for the record, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientRefusal {
    Unknown,
    Disabled,
    WrongSecret,
    MissingSecret,
    UnexpectedSecret,
}

impl Event {
    const fn action(self) -> &'static str {
        match self {
            Self::LoginSucceeded | Self::LoginRefused(_) => "login",
            Self::ClientRefused(_) => "client.authenticate",
            Self::UserCreated => "user.create",
            Self::PasswordSet => "user.set_password",
            Self::UserStateChanged => "user.set_state",
            Self::UserRolesChanged => "user.set_roles",
            Self::ClientCreated => "client.create",
            Self::ClientSecretAdded => "client.add_secret",
            Self::ClientStateChanged => "client.set_state",
            Self::TokenRefreshed | Self::RefreshRefused(_) => "refresh",
            Self::AccessTokenRevoked => "access_token.revoke",
            Self::SessionEnded(_) => "session.end",
            Self::SigningKeyCreated => "signing_key.create",
            Self::SigningKeyRotated => "signing_key.rotate",
            Self::SigningKeyRevoked => "signing_key.revoke",
            Self::Applied(applied) => applied.action(),
        }
    }

    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::LoginRefused(refusal) => Some(refusal.code()),
            Self::ClientRefused(refusal) => Some(refusal.code()),
            Self::RefreshRefused(refusal) => Some(refusal.code()),
            Self::SessionEnded(why) => Some(ended_code(why)),
            Self::LoginSucceeded
            | Self::UserCreated
            | Self::PasswordSet
            | Self::UserStateChanged
            | Self::UserRolesChanged
            | Self::ClientCreated
            | Self::ClientSecretAdded
            | Self::ClientStateChanged
            | Self::TokenRefreshed
            | Self::AccessTokenRevoked
            | Self::SigningKeyCreated
            | Self::SigningKeyRotated
            | Self::SigningKeyRevoked
            | Self::Applied(_) => None,
        }
    }

    const fn is_refusal(self) -> bool {
        matches!(self, Self::LoginRefused(_) | Self::ClientRefused(_) | Self::RefreshRefused(_))
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

impl LoginRefusal {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Disabled => "disabled",
            Self::MustChangePassword => "must_change_password",
            Self::NoRights => "no_rights",
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
            request_id: Some(context.request_id.clone()),
            device: context.user_agent.clone(),
        }
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
            outcome: if event.is_refusal() { "refused" } else { "ok" }.to_owned(),
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
