//! People: how a user comes to be, proves who they are, and changes their password.

mod login;
mod password;
mod password_change;
mod profile;
mod registration;
mod session;
mod username;

#[cfg(any(test, fuzzing))]
pub use self::password::fuzz_password_hash;
pub(crate) use self::{
    login::{LoginError, Logins, Purpose},
    password::{ImportError, NewPasswordError, PEPPER_MARK, PasswordHashing, Policy},
    password_change::{PasswordChange, PasswordChangeError},
    profile::Profiles,
    registration::{RegistrationError, Registrations, invite},
    session::{Session, SessionList, SessionPage, SessionPlace},
    username::{Username, UsernameError},
};
pub use self::{
    password::{HashCost, Peppers},
    registration::Registration,
};

use crate::{
    admin::rank::by_operator,
    audit::{Event, Origin},
    clock, id,
    store::{
        Store, StoreError, Stored, User,
        change::{self, Outcome, Rule, user::Reach},
        user,
    },
};

/// Why a user was not created or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// Somebody has that username.
    #[error("the username `{0}` is taken")]
    UsernameTaken(String),
    /// There is no such user.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// There is no such role.
    #[error("one of the roles does not exist")]
    UnknownRole,
    /// The username is not acceptable.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// The password is not acceptable.
    #[error(transparent)]
    Password(#[from] NewPasswordError),
    /// The hash from elsewhere is not acceptable.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Nobody would be left who can administer.
    #[error("`{0}` is the last active holder of the role `admin`; without one nobody can administer over HTTP")]
    LastAdmin(String),
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a new user is made of.
pub(crate) struct NewUser<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) roles: &'a [String],
    /// Whether the password is only good for choosing another one.
    pub(crate) must_change_password: bool,
}

/// Creates a user and returns their identifier.
pub(crate) async fn create(
    store: &Store,
    hashing: &PasswordHashing,
    new: NewUser<'_>,
    origin: &Origin,
) -> Result<String, AccountError> {
    let username: Username = new.username.parse()?;
    let password_hash = hashing.hash_new(new.password, &username).await?;
    insert(store, &new, &username, password_hash, origin).await
}

/// Creates a user who brings the hash of their password along, and returns their identifier. It is replaced by one of ours
/// at the first login. Whether the password would be acceptable here cannot be told.
pub(crate) async fn import(
    store: &Store,
    username: &str,
    password_hash: &str,
    roles: &[String],
    origin: &Origin,
) -> Result<String, AccountError> {
    PasswordHashing::check_import(password_hash)?;
    let new = NewUser { username, password: "", roles, must_change_password: false };
    insert(store, &new, &username.parse()?, password_hash.to_owned(), origin).await
}

async fn insert(
    store: &Store,
    new: &NewUser<'_>,
    username: &Username,
    password_hash: String,
    origin: &Origin,
) -> Result<String, AccountError> {
    let id = id::user();
    let now = clock::now();
    let row = User {
        id: id.clone(),
        username: new.username.to_owned(),
        canonical: username.to_string(),
        password_hash: user::PasswordHash(password_hash),
        state: user::State::Active,
        must_change_password: new.must_change_password,
        generation: 0,
        created_at: now,
        updated_at: now,
        version: 1,
        display_name: None,
    };
    let event = origin.record(Event::UserCreated, Some(&id), None);
    match user::create(store, row, new.roles, event).await? {
        Stored::Done => Ok(id),
        Stored::UsernameTaken => Err(AccountError::UsernameTaken(username.to_string())),
        Stored::UnknownRole => Err(AccountError::UnknownRole),
    }
}

/// The user of that name.
pub(crate) async fn find(store: &Store, username: &str) -> Result<User, AccountError> {
    let canonical: Username = username.parse()?;
    user::by_canonical(store, canonical.as_str()).await?.ok_or_else(|| AccountError::UnknownUser(username.to_owned()))
}

/// Enables or disables a user; either ends everything that was issued before. `rule` is what binds the operator.
pub(crate) async fn set_state(
    store: &Store,
    username: &str,
    state: user::State,
    rule: Rule,
    origin: &Origin,
) -> Result<(), AccountError> {
    let found = find(store, username).await?;
    let deed = by_operator(rule, origin.record(Event::UserStateChanged, Some(&found.id), None));
    settled(&change::user::set_state(store, deed, &found.id, state).await?, username)
}

/// Gives a user exactly these roles. `rule` is what binds the operator.
pub(crate) async fn set_roles(
    store: &Store,
    username: &str,
    roles: &[String],
    rule: Rule,
    origin: &Origin,
) -> Result<(), AccountError> {
    let found = find(store, username).await?;
    let deed = by_operator(rule, origin.record(Event::UserRolesChanged, Some(&found.id), None));
    settled(&change::user::set_roles(store, deed, &found.id, roles, Reach::Next).await?, username)
}

fn settled(outcome: &Outcome, username: &str) -> Result<(), AccountError> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Denied(_) => Err(AccountError::LastAdmin(username.to_owned())),
        Outcome::Unknown(_) => Err(AccountError::UnknownRole),
        Outcome::NoMatch | Outcome::OtherVersion | Outcome::Taken | Outcome::InUse(_) | Outcome::Full => {
            Err(AccountError::UnknownUser(username.to_owned()))
        }
    }
}

/// Gives a user another password, which ends everything that was issued under the old one.
pub(crate) async fn set_password(
    store: &Store,
    hashing: &PasswordHashing,
    username: &str,
    password: &str,
    must_change: bool,
    origin: &Origin,
) -> Result<(), AccountError> {
    let found = find(store, username).await?;
    let canonical: Username = username.parse()?;
    let password_hash = hashing.hash_new(password, &canonical).await?;
    let event = origin.record(Event::PasswordSet, Some(&found.id), None);
    let changed = user::set_password(store, &found.id, password_hash, must_change, clock::now(), event).await?;
    if changed { Ok(()) } else { Err(AccountError::UnknownUser(username.to_owned())) }
}
