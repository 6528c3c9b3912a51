//! The signing keys, and what an operator may do to them.

use anyhow::{Context, ensure};

use super::Operator;
use crate::{
    clock,
    signing_key::{When, state_of},
    store::signing_key,
};

/// A signing key, and what it does when.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    /// The key ID.
    pub id: String,
    /// How it signs.
    pub algorithm: String,
    /// announced, active, retiring, retired or revoked.
    pub state: &'static str,
    /// Since when it is listed, RFC 3339.
    pub announced_at: String,
    /// From when on it signs.
    pub sign_from: String,
    /// Until when it signs; none: until its successor does.
    pub sign_until: Option<String>,
    /// Until when it is listed.
    pub verify_until: Option<String>,
}

impl Operator {
    /// The signing keys and what each does when, oldest first.
    pub async fn keys(&self) -> anyhow::Result<Vec<KeyPlan>> {
        let now = clock::now();
        let plan = signing_key::all(&self.store).await?.into_iter().map(|key| KeyPlan {
            state: state_of(&key, now).name(),
            announced_at: clock::rfc3339(key.announced_at),
            sign_from: clock::rfc3339(key.sign_from),
            sign_until: key.sign_until.map(clock::rfc3339),
            verify_until: key.verify_until.map(clock::rfc3339),
            id: key.id,
            algorithm: key.algorithm,
        });
        Ok(plan.collect())
    }

    /// When the successor of the newest key will be announced, RFC 3339.
    pub async fn next_announcement(&self) -> anyhow::Result<Option<String>> {
        let newest = signing_key::all(&self.store).await?.pop();
        Ok(newest.map(|key| clock::rfc3339(self.rotator.lifecycle.announce_at(key.sign_from))))
    }

    /// Announces the next signing key, or with `now` lets it sign at once.
    pub async fn rotate_key(&self, now: bool) -> anyhow::Result<()> {
        let when = if now { When::Now } else { When::Announced };
        let rotated = self.rotator.rotate(when, clock::now(), &self.origin).await?;
        ensure!(rotated, "the next key is announced already; `key list` says when it signs, --now lets it sign at once");
        Ok(())
    }

    /// Revokes a signing key: what it signed is worthless as soon as verifiers have the new key set.
    pub async fn revoke_key(&self, id: &str) -> anyhow::Result<()> {
        let revoked = self.rotator.revoke(id, clock::now(), &self.origin).await.context("the key was not revoked")?;
        ensure!(revoked, "there is no signing key `{id}`, or it was revoked before");
        Ok(())
    }
}
