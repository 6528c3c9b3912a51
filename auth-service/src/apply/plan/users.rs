//! People: who comes, who changes and who goes.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};

use super::{Names, Plan, Planner, difference, line};
use crate::{
    account::{PasswordHashing, Username},
    apply::file::{Desired, Password, Problems, State, User},
    audit::{Applied, Event},
    id,
    store::{
        User as UserRow,
        desired_state::{Change, KnownUser},
        role::ADMIN,
        user::{PasswordHash, State as UserState},
    },
};

impl Planner<'_> {
    pub(super) async fn users(
        &self,
        desired: &Desired,
        names: &Names,
        plan: &mut Plan,
        removals: &mut Plan,
        problems: &mut Problems,
    ) {
        let mut seen = BTreeSet::new();
        for at in &desired.users {
            let username: Username = match at.entry.username.parse() {
                Ok(username) => username,
                Err(error) => {
                    problems.add(at.line, format!("user: {error}"));
                    continue;
                }
            };
            for role in at.entry.roles.iter().flatten().filter(|role| !names.roles.contains(*role)) {
                problems.add(at.line, format!("user `{username}`: there is no role `{role}`"));
            }
            if let Err(message) = self.user(&at.entry, &username, plan).await {
                problems.add(at.line, format!("user `{username}`: {message}"));
            }
            if !seen.insert(username.to_string()) {
                problems.add(at.line, format!("the user `{username}` stands there twice"));
            }
        }
        if !self.options.prune {
            return;
        }
        let names_an_admin = desired.users.iter().any(|at| self.will_be_admin(&at.entry));
        for (canonical, known) in self.snapshot.users.iter().filter(|(canonical, _)| !seen.contains(*canonical)) {
            // Without an administrator in the file, those that there are stay.
            if known.roles.contains(ADMIN) && !names_an_admin {
                continue;
            }
            let change = Change::RemoveUser(known.row.id.clone());
            self.remove(removals, "user", canonical, &known.row.id, change, Applied::UserRemoved);
        }
    }

    fn will_be_admin(&self, entry: &User) -> bool {
        let known = entry.username.parse::<Username>().ok().and_then(|name| self.snapshot.users.get(name.as_str()));
        let is_active = match entry.state {
            Some(state) => state == State::Active,
            None => known.is_none_or(|known| known.row.state == UserState::Active),
        };
        let holds = match &entry.roles {
            Some(roles) => roles.iter().any(|role| role == ADMIN),
            None => known.is_some_and(|known| known.roles.contains(ADMIN)),
        };
        is_active && holds
    }

    async fn user(&self, entry: &User, username: &Username, plan: &mut Plan) -> Result<(), String> {
        let state = entry.state.map(|state| match state {
            State::Active => UserState::Active,
            State::Disabled => UserState::Disabled,
        });
        match self.snapshot.users.get(username.as_str()) {
            None => self.new_user(entry, username, state, plan).await,
            Some(known) => self.known_user(entry, username, known, state, plan).await,
        }
    }

    async fn new_user(&self, entry: &User, username: &Username, state: Option<UserState>, plan: &mut Plan) -> Result<(), String> {
        if self.snapshot.clients.keys().any(|id| id.eq_ignore_ascii_case(username.as_str())) {
            return Err("a client goes by this name".to_owned());
        }
        let password_hash = match &entry.known_password {
            None => return Err("a new user needs a password".to_owned()),
            Some(Password::Plain(password)) => {
                self.hashing.hash_new(password.expose_secret(), username).await.map_err(|error| error.to_string())?
            }
            Some(Password::Hash(hash)) => imported(hash)?,
        };
        let row = UserRow {
            id: id::user(),
            username: entry.username.clone(),
            canonical: username.to_string(),
            password_hash: PasswordHash(password_hash),
            state: state.unwrap_or(UserState::Active),
            must_change_password: false,
            generation: 0,
            created_at: self.now,
            updated_at: self.now,
            version: 1,
            display_name: None,
        };
        let roles: BTreeSet<String> = entry.roles.iter().flatten().cloned().collect();
        let mut details = difference("roles", None, &roles);
        if row.state == UserState::Disabled {
            details.push("state: disabled".to_owned());
        }
        let id = row.id.clone();
        plan.lines.push(line('+', "user", username.as_str(), &details));
        let change = Change::CreateUser { row: Box::new(row), roles };
        plan.changes.push((change, self.origin.record(Event::UserCreated, Some(&id), None)));
        Ok(())
    }

    async fn known_user(
        &self,
        entry: &User,
        username: &Username,
        known: &KnownUser,
        state: Option<UserState>,
        plan: &mut Plan,
    ) -> Result<(), String> {
        let id = known.row.id.clone();
        let mut details = Vec::new();
        if let Some(wanted) = &entry.roles {
            let roles: BTreeSet<String> = wanted.iter().cloned().collect();
            let changed = difference("roles", Some(&known.roles), &roles);
            if !changed.is_empty() {
                details.extend(changed);
                let event = self.origin.record(Event::UserRolesChanged, Some(&id), None);
                plan.changes.push((Change::SetUserRoles { id: id.clone(), roles }, event));
            }
        }
        if let Some(state) = state.filter(|state| *state != known.row.state) {
            details.push(format!("state: {}", user_state(state)));
            let event = self.origin.record(Event::UserStateChanged, Some(&id), None);
            plan.changes.push((Change::SetUserState { id: id.clone(), state }, event));
        }
        if self.options.reset_passwords
            && let Some(password_hash) = self.other_password(entry, username, &known.row.password_hash.0).await?
        {
            details.push("password".to_owned());
            let event = self.origin.record(Event::PasswordSet, Some(&id), None);
            plan.changes.push((Change::SetUserPassword { id: id.clone(), password_hash }, event));
        }
        if !details.is_empty() {
            plan.lines.push(line('~', "user", username.as_str(), &details));
        }
        Ok(())
    }

    /// The hash of the file's password, if it is not the one that the user has.
    async fn other_password(&self, entry: &User, username: &Username, current: &str) -> Result<Option<String>, String> {
        match &entry.known_password {
            None => Ok(None),
            Some(Password::Hash(hash)) if hash.expose_secret() == current => Ok(None),
            Some(Password::Hash(hash)) => imported(hash).map(Some),
            Some(Password::Plain(password)) => {
                let password = password.expose_secret();
                let is_same = self.hashing.is_right(password, current).await.map_err(|error| error.to_string())?;
                if is_same {
                    return Ok(None);
                }
                let hash = self.hashing.hash_new(password, username).await.map_err(|error| error.to_string())?;
                Ok(Some(hash))
            }
        }
    }
}

fn user_state(state: UserState) -> &'static str {
    match state {
        UserState::Active => "active",
        UserState::Disabled => "disabled",
    }
}

/// A hash from elsewhere, if passwords can be compared with it here; the first login replaces it.
fn imported(hash: &SecretString) -> Result<String, String> {
    PasswordHashing::check_import(hash.expose_secret()).map_err(|error| error.to_string())?;
    Ok(hash.expose_secret().to_owned())
}
