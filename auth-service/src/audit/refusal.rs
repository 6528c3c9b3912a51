//! Why somebody was refused: for the record, never for the caller.

use crate::store::Denial;

/// Why a login was refused.
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

/// Why a client was refused.
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

/// Why a refresh token was refused.
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

/// Why an API key was refused.
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

/// Why somebody was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistrationRefusal {
    NotInvited,
    UsernameTaken,
    Throttled,
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
