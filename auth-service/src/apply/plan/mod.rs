//! What differs between what is desired and what there is, as lines to read and changes to make.

mod clients;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use shared::{scope::Scope, server::settings};

use super::{
    ApplyOptions,
    file::{At, Desired, Problems},
};
use crate::{
    account::PasswordHashing,
    audit::{Applied, Event, Origin},
    store::{
        AuditEvent,
        desired_state::{Change, Snapshot},
        role::ADMIN,
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
