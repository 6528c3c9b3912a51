//! Clients: how they will be, and which of their secrets are new.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use shared::server::settings;

use super::{MIN_SECRET, Names, Plan, Planner, counted, difference, sorted};
use crate::{
    apply::file::{At, Client, Desired, Kind, Lifetime, Problems, State},
    audit::Applied,
    client::{self, NewClient},
    clock, secret,
    store::{
        ClientRow,
        client::{Kind as ClientKind, MAX_SECRETS, State as ClientState},
        desired_state::{Change, KnownClient},
    },
};

impl Planner<'_> {
    pub(super) fn clients(
        &self,
        desired: &Desired,
        names: &Names,
        plan: &mut Plan,
        removals: &mut Plan,
        problems: &mut Problems,
    ) {
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
