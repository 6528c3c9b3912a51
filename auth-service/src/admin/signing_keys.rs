//! Signing keys, as administrators see and change them.

use std::sync::Arc;

use super::{Actor, AdminError};
use crate::{
    clock,
    signing_key::{KeyError, KeyRing, Rotator, When},
    store::{SigningKeyRow, signing_key},
    token::StatusLists,
};

/// The signing keys, for administrators.
#[derive(Clone)]
pub(crate) struct SigningKeys {
    pub(crate) rotator: Rotator,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) lists: StatusLists,
}

impl SigningKeys {
    /// Every key that is kept, oldest first, and when the successor of the newest will be announced.
    pub(crate) async fn plan(&self) -> Result<(Vec<SigningKeyRow>, Option<i64>), AdminError> {
        let keys = signing_key::all(&self.rotator.store).await?;
        let next = keys.last().map(|newest| self.rotator.lifecycle.announce_at(newest.sign_from));
        Ok((keys, next))
    }

    /// Announces the next key, or lets it sign at once.
    pub(crate) async fn rotate(&self, actor: &Actor, when: When) -> Result<(), AdminError> {
        let rotated = match self.rotator.rotate(when, clock::now(), &actor.origin).await {
            Err(crowded @ KeyError::Crowded) => return Err(AdminError::Conflict(crowded.to_string())),
            rotated => rotated?,
        };
        if !rotated {
            let message = "The next key is announced already; with `now` it signs at once.";
            return Err(AdminError::Conflict(message.to_owned()));
        }
        self.follow().await
    }

    /// Revokes a key: what it signed is worthless as soon as verifiers have the new key set.
    pub(crate) async fn revoke(&self, actor: &Actor, id: &str) -> Result<(), AdminError> {
        if !self.rotator.revoke(id, clock::now(), &actor.origin).await? {
            let (keys, _) = self.plan().await?;
            let is_there = keys.iter().any(|key| key.id == id);
            return Err(if is_there {
                AdminError::Conflict("The key was revoked before, or has begun to sign meanwhile.".to_owned())
            } else {
                AdminError::NotFound("signing key")
            });
        }
        self.follow().await
    }

    /// Takes the change up here at once; other replicas do within two seconds.
    async fn follow(&self) -> Result<(), AdminError> {
        self.ring.reload(&self.rotator.store, &self.rotator.sealer).await?;
        self.lists.changed().await;
        Ok(())
    }
}
