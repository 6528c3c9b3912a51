//! Users, as administrators see and change them.

use std::sync::Arc;

use secrecy::SecretString;
use shared::server::entity_tag::Precondition;
use tokio::sync::Mutex;

use super::{About, Actor, AdminError, Details, Listed, Reach, cut};
use crate::{
    account::{PasswordHashing, SessionList, SessionPage, SessionPlace, Username},
    audit::Event,
    clock, id, secret,
    store::{
        Store, User,
        change::{self, Outcome},
        session::Ended,
        user::{self, Filter},
    },
    token::StatusLists,
};

const NOUN: &str = "user";
/// In code points.
const MAX_DISPLAY_NAME: usize = 128;

/// The users, for administrators.
#[derive(Clone)]
pub(crate) struct Users {
    store: Store,
    hashing: PasswordHashing,
    sessions: SessionList,
    lists: StatusLists,
    /// New users are made one at a time: a burst neither takes the slots of those who log in, nor hashes for a name that is
    /// taken by then.
    one_at_a_time: Arc<Mutex<()>>,
}

/// What a new user is made of.
pub(crate) struct UserDraft {
    pub(crate) username: String,
    /// None: one is made.
    pub(crate) password: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) must_change_password: bool,
}

/// A user who was created.
pub(crate) struct CreatedUser {
    pub(crate) user: User,
    pub(crate) roles: Vec<String>,
    /// The password that was made, to be shown once.
    pub(crate) made_password: Option<SecretString>,
}

impl Users {
    pub(crate) fn new(store: Store, hashing: PasswordHashing, sessions: SessionList, lists: StatusLists) -> Self {
        Self { store, hashing, sessions, lists, one_at_a_time: Arc::default() }
    }

    /// A page of users, newest first.
    pub(crate) async fn list(
        &self,
        filter: Filter<'_>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Listed<(User, Vec<String>)>, AdminError> {
        let canonical = filter.part.map(str::to_ascii_lowercase);
        let filter = Filter { part: canonical.as_deref(), ..filter };
        let users = user::page(&self.store, filter, after, u64::from(limit) + 1).await?;
        Ok(cut(users, limit, |(user, _)| user.id.clone()))
    }

    /// A user and their roles.
    pub(crate) async fn read(&self, id: &str) -> Result<(User, Vec<String>), AdminError> {
        let user = user::by_id(&self.store, id).await?.ok_or(AdminError::NotFound(NOUN))?;
        let roles = user::roles(&self.store, id).await?;
        Ok((user, roles))
    }

    /// Creates a user.
    pub(crate) async fn create(&self, actor: &Actor, draft: UserDraft) -> Result<CreatedUser, AdminError> {
        let username: Username = draft.username.parse()?;
        let display_name = draft.display_name.map(display_name).transpose()?;
        let made_password = draft.password.is_none().then(|| SecretString::from(secret::passphrase()));
        let (id, now) = (id::user(), clock::now());
        let _turn = self.one_at_a_time.lock().await;
        let password_hash = match &draft.password {
            _ if user::by_canonical(&self.store, username.as_str()).await?.is_some() => String::new(),
            Some(password) => self.hashing.hash_new(password, &username).await?,
            None => self.hash_made(made_password.as_ref()).await?,
        };
        let user = User {
            id: id.clone(),
            username: draft.username,
            canonical: username.to_string(),
            password_hash: user::PasswordHash(password_hash),
            state: user::State::Active,
            must_change_password: draft.must_change_password || made_password.is_some(),
            generation: 0,
            created_at: now,
            updated_at: now,
            version: 1,
            display_name,
        };
        let roles = distinct(draft.roles);
        let deed = actor.deed(&Precondition::None, actor.origin.record(Event::UserCreated, Some(&id), None));
        let outcome = if user.password_hash.0.is_empty() {
            Outcome::Taken
        } else {
            change::user::create(&self.store, deed, user.clone(), &roles).await?
        };
        actor.settle(&self.store, outcome, NOUN, About::Subject(&id)).await?;
        Ok(CreatedUser { user, roles, made_password })
    }

    /// Gives a user another name to show and another state.
    pub(crate) async fn replace(
        &self,
        actor: &Actor,
        id: &str,
        precondition: &Precondition,
        details: Details,
    ) -> Result<(User, Vec<String>), AdminError> {
        let details = Details { display_name: details.display_name.map(display_name).transpose()?, ..details };
        let deed = actor.deed(precondition, actor.origin.record(Event::UserChanged, Some(id), None));
        let outcome = change::user::replace(&self.store, deed, id, details).await?;
        self.settled(actor, outcome, id).await?;
        self.read(id).await
    }

    /// Gives a user exactly these roles.
    pub(crate) async fn set_roles(
        &self,
        actor: &Actor,
        id: &str,
        precondition: &Precondition,
        roles: Vec<String>,
        reach: Reach,
    ) -> Result<(User, Vec<String>), AdminError> {
        let deed = actor.deed(precondition, actor.origin.record(Event::UserRolesChanged, Some(id), None));
        let outcome = change::user::set_roles(&self.store, deed, id, &distinct(roles), reach).await?;
        self.settled(actor, outcome, id).await?;
        self.read(id).await
    }

    /// Gives a user another password, and returns it if it was made here.
    pub(crate) async fn set_password(
        &self,
        actor: &Actor,
        id: &str,
        precondition: &Precondition,
        password: Option<&str>,
        must_change: bool,
    ) -> Result<Option<SecretString>, AdminError> {
        let (found, _) = self.read(id).await?;
        let username: Username = found.username.parse()?;
        let made = password.is_none().then(|| SecretString::from(secret::passphrase()));
        let hash = match password {
            Some(password) => self.hashing.hash_new(password, &username).await?,
            None => self.hash_made(made.as_ref()).await?,
        };
        let deed = actor.deed(precondition, actor.origin.record(Event::PasswordSet, Some(id), None));
        let outcome = change::user::set_password(&self.store, deed, id, hash, must_change || made.is_some()).await?;
        self.settled(actor, outcome, id).await?;
        Ok(made)
    }

    /// A page of the sessions of a user that are alive, the latest used first.
    pub(crate) async fn sessions(&self, id: &str, after: Option<&SessionPlace>, limit: u32) -> Result<SessionPage, AdminError> {
        self.read(id).await?;
        Ok(self.sessions.of_user(id, after, limit).await?)
    }

    /// Ends a session of a user, or all of them, and revokes their access tokens.
    pub(crate) async fn end_sessions(&self, actor: &Actor, id: &str, session: Option<&str>) -> Result<(), AdminError> {
        let event = actor.origin.record(Event::SessionEnded(Ended::LoggedOut), Some(id), None);
        let deed = actor.deed(&Precondition::None, event);
        let outcome = change::user::end_sessions(&self.store, deed, id, session).await?;
        self.settled(actor, outcome, id).await
    }

    /// Deletes a user, and revokes what they were issued.
    pub(crate) async fn delete(&self, actor: &Actor, id: &str, precondition: &Precondition) -> Result<(), AdminError> {
        let deed = actor.deed(precondition, actor.origin.record(Event::UserDeleted, Some(id), None));
        let outcome = change::user::delete(&self.store, deed, id).await?;
        self.settled(actor, outcome, id).await
    }

    async fn settled(&self, actor: &Actor, outcome: Outcome, id: &str) -> Result<(), AdminError> {
        actor.settle(&self.store, outcome, NOUN, About::Subject(id)).await?;
        self.lists.changed().await;
        Ok(())
    }

    async fn hash_made(&self, made: Option<&SecretString>) -> Result<String, AdminError> {
        use secrecy::ExposeSecret;
        let made = made.map(ExposeSecret::expose_secret).unwrap_or_default();
        self.hashing.rehash(made).await.map_err(|_| AdminError::Busy)
    }
}

/// A name to show, if it can be shown: nothing invisible that makes it look like another, nothing that moves the text.
fn display_name(name: String) -> Result<String, AdminError> {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if name.trim().is_empty() || name.chars().count() > MAX_DISPLAY_NAME || name.chars().any(is_hidden) {
        let message = format!("has 1 to {MAX_DISPLAY_NAME} characters that can be seen");
        return Err(AdminError::unacceptable("display_name", message));
    }
    Ok(name)
}

/// Each name once, sorted.
pub(super) fn distinct(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}
