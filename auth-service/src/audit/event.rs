//! What can happen, and what the record calls it.

use super::{
    applied::Applied,
    refusal::{ApiKeyRefusal, ClientRefusal, LoginRefusal, RefreshRefusal, RegistrationRefusal},
};
use crate::store::{Denial, session::Ended};

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

impl Event {
    pub(super) const fn action(self) -> &'static str {
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

    pub(super) const fn reason(self) -> Option<&'static str> {
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

    pub(super) const fn outcome(self) -> &'static str {
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
