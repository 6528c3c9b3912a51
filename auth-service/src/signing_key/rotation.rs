//! Making the keys that follow: on schedule, at an operator's word, or at once when one is compromised.

use std::sync::Arc;

use shared::access_token::MAX_KEYS;

use super::{Algorithm, Lifecycle, State, lifecycle::SKEW, ring::KeyError, signer::Signer, state_of};
use crate::{
    audit::{Event, Origin},
    clock,
    seal::Sealer,
    store::{
        SigningKeyRow, Store,
        signing_key::{self, Replacement},
    },
};

/// Makes keys. Any number of replicas may do so at once: the database lets one of them succeed.
#[derive(Clone)]
pub(crate) struct Rotator {
    pub(crate) store: Store,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) algorithm: Algorithm,
    pub(crate) bits: usize,
    pub(crate) lifecycle: Lifecycle,
}

/// When a new key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// After its announcement.
    Announced,
    /// At once: verifiers that do not have it yet must fetch it first.
    Now,
}

impl Rotator {
    /// Makes sure that there is a key, and that the next one is announced in time; destroys what must not sign any more.
    pub(crate) async fn keep_up(&self, now: i64) -> Result<(), KeyError> {
        let keys = signing_key::all(&self.store).await?;
        self.reseal(&keys).await?;
        let origin = Origin::local("auth-service");
        match keys.last() {
            None => {
                self.make_first(now, &origin).await?;
            }
            Some(newest) if newest.revoked_at.is_none() && now >= self.lifecycle.announce_at(newest.sign_from) => {
                self.succeed(newest, When::Announced, now, &origin).await?;
            }
            Some(_) => {}
        }
        let stopped = now - clock::seconds(SKEW);
        if keys.iter().any(|key| key.sealed.is_some() && key.sign_until.is_some_and(|end| end < stopped)) {
            signing_key::destroy_private_halves(&self.store, stopped).await?;
        }
        Ok(())
    }

    /// Brings the next key forward: announces it now, or lets it sign now. False if somebody else did so meanwhile.
    pub(crate) async fn rotate(&self, when: When, now: i64, origin: &Origin) -> Result<bool, KeyError> {
        let keys = signing_key::all(&self.store).await?;
        let Some(newest) = keys.last() else { return self.make_first(now, origin).await };
        match (state_of(newest, now), when) {
            (State::Announced, When::Announced) => Ok(false),
            (State::Announced, When::Now) => {
                let event = origin.record(Event::SigningKeyRotated, Some(&newest.id), None);
                Ok(signing_key::promote(&self.store, newest, now, now + self.lifecycle.retire(), event).await?)
            }
            (State::Active | State::Retiring | State::Retired | State::Revoked, _) => {
                if keys.iter().filter(|key| state_of(key, now).is_listed()).count() >= MAX_KEYS {
                    return Err(KeyError::Crowded);
                }
                self.succeed(newest, when, now, origin).await
            }
        }
    }

    /// Revokes a key: whatever it signed is worthless as soon as verifiers have the new key set. If it was signing, another
    /// key takes over at once. False: there is no such key, or it was revoked before.
    pub(crate) async fn revoke(&self, id: &str, now: i64, origin: &Origin) -> Result<bool, KeyError> {
        let keys = signing_key::all(&self.store).await?;
        let Some(revoked) = keys.iter().find(|key| key.id == id) else { return Ok(false) };
        let newest = keys.last().unwrap_or(revoked);
        let replacement = match state_of(revoked, now) {
            State::Revoked => return Ok(false),
            State::Retiring | State::Retired => Replacement::None,
            State::Active if newest.id != revoked.id => Replacement::Announced(newest.clone()),
            // The predecessor of an announced key has an end already, so the replacement signs as soon as that one stops.
            State::Announced => Replacement::Made(self.make(newest.slot + 1, now, newest.sign_from).await),
            State::Active => Replacement::Made(self.make(newest.slot + 1, now, now).await),
        };
        let event = origin.record(Event::SigningKeyRevoked, Some(id), None);
        Ok(signing_key::revoke(&self.store, id, replacement, now, event).await?)
    }

    /// Seals anew, under the first master key, what an older one sealed, so that the older one can be taken off the list.
    async fn reseal(&self, keys: &[SigningKeyRow]) -> Result<(), KeyError> {
        for key in keys {
            let Some(old) = key.sealed.as_deref().filter(|old| !self.sealer.is_current(old)) else { continue };
            let private = self.sealer.unseal(old, &key.id).map_err(|source| KeyError::Sealed { id: key.id.clone(), source })?;
            signing_key::reseal(&self.store, &key.id, old, self.sealer.seal(&private, &key.id)).await?;
        }
        Ok(())
    }

    async fn make_first(&self, now: i64, origin: &Origin) -> Result<bool, KeyError> {
        let key = self.make(1, now, now).await;
        let event = origin.record(Event::SigningKeyCreated, Some(&key.id), None);
        Ok(signing_key::insert_first(&self.store, key, event).await?)
    }

    async fn succeed(&self, newest: &SigningKeyRow, when: When, now: i64, origin: &Origin) -> Result<bool, KeyError> {
        let sign_from = match when {
            When::Now => now,
            When::Announced => now + clock::seconds(self.lifecycle.announce),
        };
        let key = self.make(newest.slot + 1, now, sign_from).await;
        let (id, event) = (key.id.clone(), origin.record(Event::SigningKeyCreated, Some(&key.id), None));
        let verify_until = sign_from + self.lifecycle.retire();
        let is_ours = signing_key::succeed(&self.store, &newest.id, verify_until, key, event).await?;
        if is_ours {
            tracing::info!(key.id = %id, "Announced signing key `{id}`, which signs from {}", clock::rfc3339(sign_from));
        }
        Ok(is_ours)
    }

    /// Makes and seals a key pair, off the async threads.
    async fn make(&self, slot: i32, now: i64, sign_from: i64) -> SigningKeyRow {
        let (algorithm, bits, sealer) = (self.algorithm, self.bits, Arc::clone(&self.sealer));
        let made = tokio::task::spawn_blocking(move || {
            let generated = Signer::generate(algorithm, bits);
            let id = generated.signer.id().to_owned();
            SigningKeyRow {
                slot,
                algorithm: algorithm.name().to_owned(),
                public_jwk: generated.signer.public_jwk(),
                sealed: Some(sealer.seal(&generated.private, &id)),
                announced_at: now,
                sign_from,
                sign_until: None,
                verify_until: None,
                revoked_at: None,
                id,
            }
        });
        made.await.expect("key generation does not panic")
    }
}
