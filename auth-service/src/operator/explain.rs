//! `token explain`: what a token is, and what becomes of it where it is shown.

use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use serde::Serialize;
use shared::{
    access_token::{AccessTokenClaims, AccessTokenVerifier, Explanation, KeySet, Outcome},
    scope::Scope,
};

use super::Operator;
use crate::{
    clock, secret,
    signing_key::state_of,
    store::{client, refresh_token, setting, signing_key, status_list, user},
    token::{Places, block_of},
};

/// What can be said about a token.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenReport {
    /// What kind of token it is.
    pub kind: &'static str,
    /// The checks.
    pub checks: Vec<TokenCheck>,
    /// What else is known about it.
    pub facts: Vec<(&'static str, String)>,
    /// Whether it would be accepted.
    pub good: bool,
}

/// One check of a token.
#[derive(Clone, Debug, Serialize)]
pub struct TokenCheck {
    /// pass, fail, or - where an earlier failure leaves nothing to check.
    pub outcome: &'static str,
    /// What was asked.
    pub rule: String,
    /// The section that asks it.
    pub section: &'static str,
    /// Why it failed.
    pub reason: Option<String>,
}

impl Operator {
    /// Says everything that the database can tell about a token: each check with its section, the state of its key, the
    /// time it has left, what a guard that asks for `scope` would say, and whether it was revoked. No service is asked.
    pub async fn explain_token(&self, token: &str, resource: Option<&str>, scope: Option<&Scope>) -> anyhow::Result<TokenReport> {
        let token = token.trim();
        if secret::is_well_formed(secret::Kind::RefreshToken, token) {
            return self.explain_refresh_token(token).await;
        }
        if token.starts_with("cs_") {
            return self.explain_client_secret(token).await;
        }
        if token.starts_with("ask_") {
            let facts = vec![("what to do", "exchange it for an access token; an API takes no key itself".to_owned())];
            return Ok(TokenReport { kind: "API key", facts, ..TokenReport::default() });
        }
        self.explain_access_token(token, resource, scope).await
    }

    async fn explain_access_token(
        &self,
        token: &str,
        resource: Option<&str>,
        scope: Option<&Scope>,
    ) -> anyhow::Result<TokenReport> {
        let issuer = setting::find(&self.store, "issuer").await?.context("no service has been started on this database yet")?;
        let now = clock::now();
        let rows = signing_key::all(&self.store).await?;
        let listed: Vec<&str> =
            rows.iter().filter(|row| state_of(row, now).is_listed()).map(|row| row.public_jwk.as_str()).collect();
        let keys = KeySet::from_jwks(format!(r#"{{"keys":[{}]}}"#, listed.join(",")).as_bytes())?;
        let keys = Arc::new(ArcSwap::from_pointee(keys));
        let verifier = match resource {
            Some(resource) => AccessTokenVerifier::with_local_keys(&*issuer, resource, keys),
            None => AccessTokenVerifier::for_any_resource(&*issuer, keys),
        };
        let explanation = verifier.explain(token).await;
        let mut report = TokenReport { kind: "access token", checks: checks(&explanation), ..TokenReport::default() };
        if let Some(id) = &explanation.key_id {
            let state = rows.iter().find(|row| row.id == *id).map_or("unknown here", |row| state_of(row, now).name());
            report.facts.push(("key", format!("{state} ({id})")));
        }
        if let Some(claims) = &explanation.claims {
            self.explain_revocation(&mut report, claims, &issuer, now).await?;
            facts(&mut report, claims, now);
            explain_guard(&mut report, claims, scope);
        }
        report.good = !report.checks.is_empty() && report.checks.iter().all(|check| check.outcome == "pass");
        Ok(report)
    }

    async fn explain_revocation(
        &self,
        report: &mut TokenReport,
        claims: &AccessTokenClaims,
        issuer: &str,
        now: i64,
    ) -> anyhow::Result<()> {
        const SECTION: &str = "draft-ietf-oauth-status-list §8.3";
        let places = Places::new(self.store.clone(), issuer);
        let Some(place) = claims.status.as_ref().and_then(|status| places.place_of(status)) else {
            report.facts.push(("revocation", "it has no place in a status list of ours".to_owned()));
            return Ok(());
        };
        let lists = status_list::live(&self.store, now).await?;
        let revoked = match lists.iter().find(|list| list.id == place.list_id) {
            None => Some("its status list is gone: all of its tokens have ended".to_owned()),
            Some(list) if status_list::is_revoked(&self.store, &place, block_of(&list.seed, place.place)).await? => {
                Some("it was revoked".to_owned())
            }
            Some(_) => None,
        };
        report.check("its bit in the status list is not set", SECTION, revoked);
        report.facts.push(("place", format!("{} in {}", place.place, place.list_id)));
        Ok(())
    }

    async fn explain_refresh_token(&self, token: &str) -> anyhow::Result<TokenReport> {
        const SECTION: &str = "RFC 6749 §6";
        let mut report = TokenReport { kind: "refresh token", ..TokenReport::default() };
        let found = refresh_token::by_digest(&self.store, &secret::digest(token)).await?;
        let is_unknown = found.is_none();
        report.check(
            "it was issued here, and its session is remembered",
            SECTION,
            is_unknown.then(|| "it is unknown".to_owned()),
        );
        let Some((link, session)) = found else { return Ok(report) };
        let now = clock::now();
        let user = user::by_id(&self.store, &session.user_id).await?;
        let is_current =
            user.as_ref().is_some_and(|user| user.state == user::State::Active && user.generation == session.generation);
        let use_before =
            link.consumed_at.map(|at| format!("it was used at {}; a second use ends the session", clock::rfc3339(at)));
        report.check("it is unused", "RFC 9700 §4.14.2", use_before);
        let ended = session.ended_at.map(|at| format!("it ended at {}", clock::rfc3339(at)));
        report.check("its session goes on", SECTION, ended);
        let end = link.expires_at.min(session.expires_at);
        report.check("it has not expired", SECTION, (now >= end).then(|| format!("it expired at {}", clock::rfc3339(end))));
        let changed = (!is_current).then(|| "the account was disabled or removed, or has another password".to_owned());
        report.check("the account is as it was at the login", SECTION, changed);
        let is_active = client::is_active(&self.store, &session.client_id).await?;
        report.check("its client may be used", SECTION, (!is_active).then(|| "the client is disabled".to_owned()));
        report.facts.extend([
            ("session", session.id),
            ("user", user.map_or(session.user_id, |user| format!("{} ({})", user.username, user.id))),
            ("client", session.client_id),
            ("resource", session.resource_id),
            ("scope", session.scope),
            ("ends", clock::rfc3339(end)),
        ]);
        report.good = report.checks.iter().all(|check| check.outcome == "pass");
        Ok(report)
    }

    async fn explain_client_secret(&self, secret: &str) -> anyhow::Result<TokenReport> {
        let digest = secret::digest(secret);
        let mut report = TokenReport { kind: "client secret", ..TokenReport::default() };
        let clients = self.snapshot().await?.clients;
        let owner =
            clients.values().find(|client| client.secrets.iter().any(|kept| secret::is_same_digest(&kept.digest, &digest)));
        let unknown = owner.is_none().then(|| "no client has it".to_owned());
        report.check("it is the secret of a client", "RFC 6749 §2.3.1", unknown);
        if let Some(owner) = owner {
            report.facts.push(("client", owner.row.id.clone()));
        }
        // It is good for authenticating, and for nothing that takes a token.
        Ok(report)
    }
}

impl TokenReport {
    fn check(&mut self, rule: impl Into<String>, section: &'static str, reason: Option<String>) {
        let outcome = if reason.is_none() { "pass" } else { "fail" };
        self.checks.push(TokenCheck { outcome, rule: rule.into(), section, reason });
    }
}

fn checks(explanation: &Explanation) -> Vec<TokenCheck> {
    let check = |check: &shared::access_token::Check| {
        let (outcome, reason) = match &check.outcome {
            Outcome::Pass => ("pass", None),
            Outcome::Fail(reason) => ("fail", Some(reason.clone())),
            Outcome::NotReached => ("-", None),
        };
        TokenCheck { outcome, rule: check.rule.to_owned(), section: check.section, reason }
    };
    explanation.checks.iter().map(check).collect()
}

fn facts(report: &mut TokenReport, claims: &AccessTokenClaims, now: i64) {
    let left = claims.exp - now;
    let left = if left > 0 { format!("{left} s left") } else { format!("over for {} s", -left) };
    report.facts.extend([
        ("subject", claims.sub.clone()),
        ("client", claims.client_id.clone()),
        ("resource", claims.aud.iter().collect::<Vec<_>>().join(" ")),
        ("scope", claims.scope.to_string()),
        ("roles", claims.roles.join(" ")),
        ("issued", clock::rfc3339(claims.iat)),
        ("ends", format!("{} ({left})", clock::rfc3339(claims.exp))),
    ]);
}

fn explain_guard(report: &mut TokenReport, claims: &AccessTokenClaims, scope: Option<&Scope>) {
    let Some(wanted) = scope else { return };
    let missing = wanted.difference(&claims.scope);
    let reason = (!missing.is_empty()).then(|| format!("403 insufficient_scope: it lacks `{missing}`"));
    report.check(format!("a guard that asks for `{wanted}` lets it pass"), "RFC 6750 §3.1", reason);
}
