//! What differs between what is desired and what there is, as lines to read and changes to make.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret, SecretString};
use shared::{scope::Scope, server::settings};

use super::{
    ApplyOptions,
    file::{At, Client, Desired, Kind, Lifetime, Password, Problems, State, User},
};
use crate::{
    account::{PasswordHashing, Username},
    audit::{Applied, Event, Origin},
    client::{self, NewClient},
    clock, id, secret,
    store::{
        AuditEvent, ClientRow, User as UserRow,
        client::{Kind as ClientKind, MAX_SECRETS, State as ClientState},
        desired_state::{Change, KnownClient, KnownUser, Snapshot},
        role::ADMIN,
        user::{PasswordHash, State as UserState},
    },
};

/// A secret that somebody chose must not be guessable: a fast hash is all that guards it.
const MIN_SECRET: usize = 24;

/// The difference.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) lines: Vec<String>,
    pub(crate) changes: Vec<(Change, AuditEvent)>,
}

/// Makes a plan.
pub(super) struct Planner<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) hashing: &'a PasswordHashing,
    pub(super) issuer: Option<&'a str>,
    pub(super) options: ApplyOptions,
    pub(super) now: i64,
    pub(super) origin: &'a Origin,
}

/// What there will be when all is done, as far as one thing names another.
struct Names {
    resources: BTreeSet<String>,
    scopes: BTreeSet<String>,
    roles: BTreeSet<String>,
}

impl Planner<'_> {
    pub(super) async fn plan(&self, desired: &Desired) -> Result<Plan, Problems> {
        let mut problems = Problems::default();
        let (mut plan, mut removals) = (Plan::default(), Plan::default());
        self.resources(desired, &mut plan, &mut removals, &mut problems);
        let names = self.names(desired);
        self.roles(desired, &names, &mut plan, &mut removals, &mut problems);
        self.clients(desired, &names, &mut plan, &mut removals, &mut problems);
        self.users(desired, &names, &mut plan, &mut removals, &mut problems).await;
        problems.finish()?;
        // Whatever is named by something else goes after that.
        removals.changes.reverse();
        removals.lines.reverse();
        plan.lines.append(&mut removals.lines);
        plan.changes.append(&mut removals.changes);
        Ok(plan)
    }

    fn names(&self, desired: &Desired) -> Names {
        let is_named = |id: &str| desired.resources.iter().any(|resource| resource.entry.id == id);
        let stays = |id: &str| !self.options.prune || self.issuer == Some(id) || is_named(id);
        let mut resources: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (id, scopes) in self.snapshot.resources.iter().filter(|(id, _)| stays(id)) {
            resources.insert(id, scopes.clone());
        }
        for At { entry, .. } in &desired.resources {
            let scopes = resources.entry(&entry.id).or_default();
            if let Some(wanted) = &entry.scopes {
                *scopes = wanted.iter().cloned().collect();
            }
        }
        let is_named = |name: &str| name == ADMIN || desired.roles.iter().any(|role| role.entry.name == name);
        let known = self.snapshot.roles.keys().filter(|name| !self.options.prune || is_named(name)).cloned();
        Names {
            scopes: resources.values().flatten().cloned().collect(),
            resources: resources.into_keys().map(ToOwned::to_owned).collect(),
            roles: known.chain(desired.roles.iter().map(|role| role.entry.name.clone())).collect(),
        }
    }

    fn resources(&self, desired: &Desired, plan: &mut Plan, removals: &mut Plan, problems: &mut Problems) {
        let mut seen = BTreeSet::new();
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for At { line, entry } in &desired.resources {
            if !seen.insert(entry.id.as_str()) {
                problems.add(*line, format!("the resource `{}` stands there twice", entry.id));
            }
            if let Err(error) = settings::url(&entry.id) {
                problems.add(*line, format!("resource `{}`: {error}", entry.id));
            }
            for scope in entry.scopes.iter().flatten() {
                if Scope::from_tokens([scope.clone()]).is_err() {
                    problems.add(*line, format!("resource `{}`: `{scope}` is no scope", entry.id));
                }
                if owners.insert(scope, &entry.id).is_some_and(|owner| owner != entry.id) {
                    problems.add(*line, format!("the scope `{scope}` belongs to one resource only"));
                }
            }
            let is_issuer = self.issuer == Some(entry.id.as_str());
            let known = self.snapshot.resources.get(&entry.id);
            let wanted = entry.scopes.as_ref().map(|scopes| scopes.iter().cloned().collect::<BTreeSet<_>>());
            if is_issuer && wanted.as_ref().is_some_and(|wanted| known.is_some_and(|known| !wanted.is_superset(known))) {
                problems.add(*line, "the issuer's own scopes cannot be removed");
            }
            let scopes = wanted.or_else(|| known.cloned()).unwrap_or_default();
            let details = difference("scopes", known, &scopes);
            let put = Change::PutResource { id: entry.id.clone(), scopes };
            self.put(plan, "resource", &entry.id, known.is_some(), &details, put, Applied::ResourcePut);
        }
        if self.options.prune {
            for id in self.snapshot.resources.keys() {
                if !seen.contains(id.as_str()) && self.issuer != Some(id) {
                    self.remove(removals, "resource", id, id, Change::RemoveResource(id.clone()), Applied::ResourceRemoved);
                }
            }
        }
    }

    fn roles(&self, desired: &Desired, names: &Names, plan: &mut Plan, removals: &mut Plan, problems: &mut Problems) {
        let mut seen = BTreeSet::new();
        for At { line, entry } in &desired.roles {
            if !seen.insert(entry.name.as_str()) {
                problems.add(*line, format!("the role `{}` stands there twice", entry.name));
            }
            if !is_plain(&entry.name) {
                problems.add(*line, "the name of a role has 1 to 64 ASCII letters, digits, `.`, `_` or `-`");
            }
            for scope in entry.scopes.iter().flatten().filter(|scope| !names.scopes.contains(*scope)) {
                problems.add(*line, format!("role `{}`: no resource has the scope `{scope}`", entry.name));
            }
            let known = self.snapshot.roles.get(&entry.name);
            let wanted = entry.scopes.as_ref().map(|scopes| scopes.iter().cloned().collect());
            let scopes: BTreeSet<String> = wanted.or_else(|| known.cloned()).unwrap_or_default();
            let details = difference("scopes", known, &scopes);
            let put = Change::PutRole { name: entry.name.clone(), scopes };
            self.put(plan, "role", &entry.name, known.is_some(), &details, put, Applied::RolePut);
        }
        if self.options.prune {
            for name in self.snapshot.roles.keys() {
                if !seen.contains(name.as_str()) && name != ADMIN {
                    self.remove(removals, "role", name, name, Change::RemoveRole(name.clone()), Applied::RoleRemoved);
                }
            }
        }
    }

    fn clients(&self, desired: &Desired, names: &Names, plan: &mut Plan, removals: &mut Plan, problems: &mut Problems) {
        let mut seen = BTreeSet::new();
        for at in &desired.clients {
            if !seen.insert(at.entry.id.as_str()) {
                problems.add(at.line, format!("the client `{}` stands there twice", at.entry.id));
            }
            self.client(at, names, plan, problems);
        }
        if self.options.prune {
            for id in self.snapshot.clients.keys().filter(|id| !seen.contains(id.as_str())) {
                self.remove(removals, "client", id, id, Change::RemoveClient(id.clone()), Applied::ClientRemoved);
            }
        }
    }

    fn client(&self, at: &At<Client>, names: &Names, plan: &mut Plan, problems: &mut Problems) {
        let entry = &at.entry;
        let known = self.snapshot.clients.get(&entry.id);
        let mut complain = |message: String| problems.add(at.line, format!("client `{}`: {message}", entry.id));
        let row = self.client_row(entry, known.map(|known| &known.row));
        if known.is_some_and(|known| known.row.kind != row.kind) {
            complain("its kind cannot change; remove it and add it anew".to_owned());
        }
        for scope in entry.scopes.iter().flatten().filter(|scope| !names.scopes.contains(*scope)) {
            complain(format!("no resource has the scope `{scope}`"));
        }
        for role in entry.roles.iter().flatten().filter(|role| !names.roles.contains(*role)) {
            complain(format!("there is no role `{role}`"));
        }
        for resource in [&entry.default_resource, &entry.serves].into_iter().flatten() {
            if !names.resources.contains(resource) {
                complain(format!("there is no resource `{resource}`"));
            }
        }
        for origin in entry.cors_origins.iter().flatten() {
            if let Err(error) = settings::origin(origin) {
                complain(format!("`cors_origins`: {error}"));
            }
        }
        if let Err(error) = client::check(&described(&row)) {
            complain(error.to_string());
        }
        let secrets = self.secrets(entry, &row, known, &mut complain);
        let wanted = entry.roles.as_ref().map(|roles| roles.iter().cloned().collect());
        let roles: BTreeSet<String> = wanted.or_else(|| known.map(|known| known.roles.clone())).unwrap_or_default();
        if row.kind == ClientKind::Public && !roles.is_empty() {
            complain("only a confidential client has roles of its own".to_owned());
        }
        let mut details = client_details(known.map(|known| &known.row), &row);
        details.extend(difference("roles", known.map(|known| &known.roles), &roles));
        match (known, &secrets) {
            (_, Some(secrets)) => details.push(format!("secrets: {}", counted(secrets.len(), "secret"))),
            (None, None) if row.kind == ClientKind::Confidential => {
                details.push("no secret: make one with `client rotate`".to_owned());
            }
            (_, None) => {}
        }
        let put = Change::PutClient { row: Box::new(row), roles, secrets };
        self.put(plan, "client", &entry.id, known.is_some(), &details, put, Applied::ClientPut);
    }

    /// The client's row as the file wants it; what the file does not say is as before, or as a new client begins.
    fn client_row(&self, entry: &Client, known: Option<&ClientRow>) -> ClientRow {
        let joined = |wanted: Option<&Vec<String>>, before: Option<&String>| {
            wanted.map_or_else(|| before.cloned().unwrap_or_default(), |list| sorted(list))
        };
        let lifetime =
            |wanted: Option<Lifetime>, before: Option<i64>| wanted.map(|Lifetime(lifetime)| clock::seconds(lifetime)).or(before);
        let kind = entry.kind.map(|kind| match kind {
            Kind::Public => ClientKind::Public,
            Kind::Confidential => ClientKind::Confidential,
        });
        let state = entry.state.map(|state| match state {
            State::Active => ClientState::Active,
            State::Disabled => ClientState::Disabled,
        });
        ClientRow {
            id: entry.id.clone(),
            kind: kind.or_else(|| known.map(|row| row.kind)).unwrap_or(ClientKind::Confidential),
            state: state.or_else(|| known.map(|row| row.state)).unwrap_or(ClientState::Active),
            grants: joined(entry.grants.as_ref(), known.map(|row| &row.grants)),
            scopes: joined(entry.scopes.as_ref(), known.map(|row| &row.scopes)),
            default_resource: entry.default_resource.clone().or_else(|| known.and_then(|row| row.default_resource.clone())),
            serves: entry.serves.clone().or_else(|| known.and_then(|row| row.serves.clone())),
            cors_origins: joined(entry.cors_origins.as_ref(), known.map(|row| &row.cors_origins)),
            access_token_lifetime: lifetime(entry.access_token_lifetime, known.and_then(|row| row.access_token_lifetime)),
            refresh_idle_lifetime: lifetime(entry.refresh_idle_lifetime, known.and_then(|row| row.refresh_idle_lifetime)),
            refresh_absolute_lifetime: lifetime(
                entry.refresh_absolute_lifetime,
                known.and_then(|row| row.refresh_absolute_lifetime),
            ),
            generation: known.map_or(0, |row| row.generation),
            created_at: known.map_or(self.now, |row| row.created_at),
            updated_at: self.now,
            version: known.map_or(1, |row| row.version + 1),
        }
    }

    /// The secrets to put, if they differ from those that are good now.
    fn secrets(
        &self,
        entry: &Client,
        row: &ClientRow,
        known: Option<&KnownClient>,
        complain: &mut impl FnMut(String),
    ) -> Option<Vec<client::Secret>> {
        let wanted = entry.known_secrets.as_ref()?;
        if row.kind == ClientKind::Public {
            complain("a public client has no secret".to_owned());
        }
        if wanted.len() as u64 > MAX_SECRETS || wanted.is_empty() {
            complain(format!("a client has one to {MAX_SECRETS} secrets"));
        }
        if wanted.iter().any(|secret| secret.expose_secret().len() < MIN_SECRET) {
            complain(format!("a secret has {MIN_SECRET} characters or more: make one with `openssl rand -base64 32`"));
        }
        let digests: BTreeSet<String> = wanted.iter().map(|wanted| secret::digest(wanted.expose_secret())).collect();
        let is_good = |secret: &&client::Secret| secret.expires_at.is_none();
        let present = known.map(|known| known.secrets.iter().filter(is_good).map(|secret| secret.digest.clone()).collect());
        if present.as_ref() == Some(&digests) {
            return None;
        }
        Some(wanted.iter().map(|wanted| client::secret_row(&entry.id, wanted.expose_secret(), self.now)).collect())
    }

    async fn users(&self, desired: &Desired, names: &Names, plan: &mut Plan, removals: &mut Plan, problems: &mut Problems) {
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

    #[expect(clippy::too_many_arguments, reason = "the parts of one line")]
    fn put(&self, plan: &mut Plan, noun: &str, name: &str, is_known: bool, details: &[String], change: Change, what: Applied) {
        if is_known && details.is_empty() {
            return;
        }
        plan.lines.push(line(if is_known { '~' } else { '+' }, noun, name, details));
        plan.changes.push((change, self.record(what, name)));
    }

    fn remove(&self, plan: &mut Plan, noun: &str, name: &str, id: &str, change: Change, what: Applied) {
        plan.lines.push(line('-', noun, name, &[]));
        plan.changes.push((change, self.record(what, id)));
    }

    fn record(&self, what: Applied, id: &str) -> AuditEvent {
        self.origin.record(Event::Applied(what), Some(id), None)
    }
}

/// A client as its row describes it, to be checked like one that comes from elsewhere.
fn described(row: &ClientRow) -> NewClient {
    let seconds =
        |seconds: Option<i64>| seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(std::time::Duration::from_secs);
    NewClient {
        grants: row.grants.split_whitespace().map(ToOwned::to_owned).collect(),
        access_token_lifetime: seconds(row.access_token_lifetime),
        ..NewClient::new(&*row.id, row.kind)
    }
}

/// A member of a client that is a list, separated by spaces, and one that is a text.
type List = fn(&ClientRow) -> &str;
type Text = fn(&ClientRow) -> Option<String>;

fn client_details(known: Option<&ClientRow>, row: &ClientRow) -> Vec<String> {
    let set = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect::<BTreeSet<String>>();
    let mut details = Vec::new();
    if known.is_none() {
        details.push(match row.kind {
            ClientKind::Public => "public".to_owned(),
            ClientKind::Confidential => "confidential".to_owned(),
        });
    }
    let lists: [(&str, List); 3] =
        [("grants", |row| &row.grants), ("scopes", |row| &row.scopes), ("cors_origins", |row| &row.cors_origins)];
    for (name, list) in lists {
        details.extend(difference(name, known.map(|known| set(list(known))).as_ref(), &set(list(row))));
    }
    let texts: [(&str, Text); 6] = [
        ("default_resource", |row| row.default_resource.clone()),
        ("serves", |row| row.serves.clone()),
        ("access_token_lifetime", |row| row.access_token_lifetime.map(seconds)),
        ("refresh_idle_lifetime", |row| row.refresh_idle_lifetime.map(seconds)),
        ("refresh_absolute_lifetime", |row| row.refresh_absolute_lifetime.map(seconds)),
        ("state", |row| (row.state == ClientState::Disabled).then(|| "disabled".to_owned())),
    ];
    for (name, text) in texts {
        let (before, after) = (known.and_then(text), text(row));
        if before != after {
            details.push(format!("{name}: {}", after.unwrap_or_else(|| "active".to_owned())));
        }
    }
    details
}

fn seconds(seconds: i64) -> String {
    format!("{seconds}s")
}

fn user_state(state: UserState) -> &'static str {
    match state {
        UserState::Active => "active",
        UserState::Disabled => "disabled",
    }
}

/// What is new in a set and what is gone from it; nothing if it is the same.
fn difference(name: &str, known: Option<&BTreeSet<String>>, wanted: &BTreeSet<String>) -> Vec<String> {
    let Some(known) = known else {
        let all: Vec<_> = wanted.iter().map(String::as_str).collect();
        return if all.is_empty() { Vec::new() } else { vec![format!("{name}: {}", all.join(" "))] };
    };
    let added = wanted.difference(known).map(|item| format!("+{item}"));
    let removed = known.difference(wanted).map(|item| format!("-{item}"));
    let changed: Vec<_> = added.chain(removed).collect();
    if changed.is_empty() { Vec::new() } else { vec![format!("{name}: {}", changed.join(" "))] }
}

fn line(sign: char, noun: &str, name: &str, details: &[String]) -> String {
    let mut line = format!("{sign} {noun} {name}");
    if !details.is_empty() {
        line.push_str("  ");
        line.push_str(&details.join("; "));
    }
    line
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn sorted(list: &[String]) -> String {
    let set: BTreeSet<&str> = list.iter().map(String::as_str).collect();
    set.into_iter().collect::<Vec<_>>().join(" ")
}

fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// A hash from elsewhere, if passwords can be compared with it here; the first login replaces it.
fn imported(hash: &SecretString) -> Result<String, String> {
    PasswordHashing::check_import(hash.expose_secret()).map_err(|error| error.to_string())?;
    Ok(hash.expose_secret().to_owned())
}
