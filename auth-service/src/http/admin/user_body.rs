//! What users look like on the wire.

use poem_openapi::{Enum, Object};
use shared::server::{entity_tag::entity_tag, json_string::JsonString};

use super::{text, texts, yes};
use crate::{
    admin::{self, Details, UserDraft},
    clock,
};

/// Whether a person may log in.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum UserState {
    /// They may.
    Active,
    /// They may not; what they were issued has ended.
    Disabled,
}

/// A user.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct User {
    /// The identifier: the `sub` of their tokens.
    id: String,
    /// The name they log in with, as it was typed.
    username: String,
    /// The name to show.
    display_name: Option<String>,
    /// Whether they may log in.
    state: UserState,
    /// The roles they hold now; a token may be older.
    roles: Vec<String>,
    /// Whether their password is only good for choosing another one.
    must_change_password: bool,
    /// When they were created, RFC 3339.
    created_at: String,
    /// When they were last changed, RFC 3339.
    updated_at: String,
    /// The entity tag of this version.
    etag: String,
}

/// A new user.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewUser {
    /// The name to log in with: ASCII letters, digits, and between them `.`, `_` or `-`; case makes no other name.
    // Keep in step with `account::Username`.
    #[oai(validator(min_length = 2, max_length = 64))]
    username: JsonString,
    /// The password; without one, one is made and shown in the answer, once.
    #[oai(validator(max_length = 256))]
    password: Option<JsonString>,
    /// The name to show.
    #[oai(validator(min_length = 1, max_length = 128))]
    display_name: Option<JsonString>,
    /// The roles to hold.
    #[oai(default, validator(max_items = 64))]
    roles: Vec<JsonString>,
    /// Whether the password is only good for choosing another one. It always is when it was made here.
    #[oai(default = "yes")]
    must_change_password: bool,
}

/// A user who was created.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct CreatedUser {
    /// The user.
    pub(super) user: User,
    /// The password that was made. It is shown this once.
    pub(super) password: Option<String>,
}

/// What can be replaced of a user.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct UserDetails {
    /// The name to show; absent or null: none.
    #[oai(validator(min_length = 1, max_length = 128))]
    display_name: Option<JsonString>,
    /// Whether they may log in.
    state: UserState,
}

/// A page of users, newest first.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct UserPage {
    /// The users of this page.
    pub(super) users: Vec<User>,
    /// Where the next page begins; absent on the last page.
    pub(super) next_cursor: Option<String>,
}

impl From<UserState> for admin::UserState {
    fn from(state: UserState) -> Self {
        match state {
            UserState::Active => Self::Active,
            UserState::Disabled => Self::Disabled,
        }
    }
}

impl From<(admin::User, Vec<String>)> for User {
    fn from((user, roles): (admin::User, Vec<String>)) -> Self {
        Self {
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            state: match user.state {
                admin::UserState::Active => UserState::Active,
                admin::UserState::Disabled => UserState::Disabled,
            },
            roles,
            must_change_password: user.must_change_password,
            created_at: clock::rfc3339(user.created_at),
            updated_at: clock::rfc3339(user.updated_at),
            etag: entity_tag(user.version),
        }
    }
}

impl From<NewUser> for UserDraft {
    fn from(new: NewUser) -> Self {
        Self {
            username: new.username.0,
            password: text(new.password),
            display_name: text(new.display_name),
            roles: texts(new.roles),
            must_change_password: new.must_change_password,
        }
    }
}

impl From<UserDetails> for Details {
    fn from(details: UserDetails) -> Self {
        Self { display_name: text(details.display_name), state: details.state.into() }
    }
}
