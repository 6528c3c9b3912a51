//! The key ring: which key signs now, and which are published. It follows the database, and needs it for nothing else.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use shared::access_token::{KeySet, MAX_KEYS, UnknownAlgorithm};

use super::{
    Algorithm,
    signer::{NotAKey, Signer},
    state_of,
};
use crate::{
    clock,
    seal::{Sealer, UnsealError},
    store::{SigningKeyRow, Store, StoreError, signing_key},
};

/// The keys in memory.
pub(crate) struct KeyRing {
    signing: ArcSwap<Vec<SigningKey>>,
    /// What is known of every key, without the private halves.
    rows: ArcSwap<Vec<SigningKeyRow>>,
    published: ArcSwap<Published>,
    verification: Arc<ArcSwap<KeySet>>,
}

/// A key pair and the time in which it signs.
#[derive(Clone)]
struct SigningKey {
    sign_from: i64,
    sign_until: Option<i64>,
    signer: Arc<Signer>,
}

/// The key set as it is served: ready-made bytes and their entity tag.
pub(crate) struct Published {
    /// `{"keys":[…]}` (RFC 7517 §5).
    pub(crate) body: String,
    /// A strong entity tag, quotes included.
    pub(crate) etag: String,
}

/// Why the signing keys cannot be used. A new key is never made to paper over it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The database does not answer.
    #[error("the signing keys cannot be read or written")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The private half cannot be unsealed.
    #[error("signing key `{id}` cannot be unsealed")]
    Sealed {
        /// The key ID.
        id: String,
        /// Why.
        #[source]
        source: UnsealError,
    },
    /// What was unsealed is no key, or not the one that is published.
    #[error("signing key `{id}` is damaged: {reason}; restore the database from a backup")]
    Damaged {
        /// The key ID.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Verifiers would refuse a set with one more.
    #[error(
        "{MAX_KEYS} keys are listed, and verifiers take no more at once; rotate again when the oldest has left the key set, \
         which `key list` dates"
    )]
    Crowded,
    /// No key may sign now.
    #[error("there is no signing key; make one with `auth-service key rotate --now`")]
    None,
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl KeyRing {
    /// Reads and unseals the keys of the database.
    pub(crate) async fn load(store: &Store, sealer: &Sealer) -> Result<Self, KeyError> {
        let rows = signing_key::all(store).await?;
        let now = clock::now();
        let signing = signing_keys(&rows, sealer, &[], now)?;
        if signing.is_empty() {
            return Err(KeyError::None);
        }
        let published = published(&rows, now);
        let verification = Arc::new(ArcSwap::from_pointee(key_set(&published)?));
        Ok(Self {
            signing: ArcSwap::from_pointee(signing),
            rows: ArcSwap::from_pointee(without_private_halves(rows)),
            published: ArcSwap::from_pointee(published),
            verification,
        })
    }

    /// Reads the keys anew. What is in memory stays in use if that fails.
    pub(crate) async fn reload(&self, store: &Store, sealer: &Sealer) -> Result<(), KeyError> {
        let rows = signing_key::all(store).await?;
        let now = clock::now();
        let signing = signing_keys(&rows, sealer, &self.signing.load(), now)?;
        if signing.is_empty() {
            return Err(KeyError::None);
        }
        let published = published(&rows, now);
        if published.etag != self.published.load().etag {
            // Verification first: our own guard must know a key before anybody can show a token by it.
            self.verification.store(Arc::new(key_set(&published)?));
            self.published.store(Arc::new(published));
        }
        self.signing.store(Arc::new(signing));
        self.rows.store(Arc::new(without_private_halves(rows)));
        Ok(())
    }

    /// What is known of every key, without the private halves.
    pub(super) fn rows(&self) -> Arc<Vec<SigningKeyRow>> {
        self.rows.load_full()
    }

    /// Signs claims as a compact JWS of this type with the key that signs now.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        let _span = tracing::info_span!(target: "trace", "sign").entered();
        self.signer().sign(typ, claims)
    }

    /// The key that signs now.
    pub(crate) fn key_id(&self) -> String {
        self.signer().id().to_owned()
    }

    fn signer(&self) -> Arc<Signer> {
        let now = clock::now();
        let signing = self.signing.load();
        let is_active = |key: &&SigningKey| key.sign_from <= now && key.sign_until.is_none_or(|end| now < end);
        // A clock that jumped, or a database that is away for long, must not stop the service: the last known key goes on,
        // and it is listed for longer than its tokens live.
        let key = signing.iter().rev().find(is_active).or_else(|| signing.iter().rev().find(|key| key.sign_from <= now));
        let key = key.or_else(|| signing.first()).expect("a ring without a key is never built");
        Arc::clone(&key.signer)
    }

    /// The key set as it is served.
    pub(crate) fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// The key set as this service's own guard uses it.
    pub(crate) fn verification(&self) -> Arc<ArcSwap<KeySet>> {
        Arc::clone(&self.verification)
    }
}

fn without_private_halves(rows: Vec<SigningKeyRow>) -> Vec<SigningKeyRow> {
    rows.into_iter().map(|row| SigningKeyRow { sealed: None, ..row }).collect()
}

/// The keys that sign or will, oldest first; those that are open already are not unsealed again.
fn signing_keys(rows: &[SigningKeyRow], sealer: &Sealer, open: &[SigningKey], now: i64) -> Result<Vec<SigningKey>, KeyError> {
    let signs_or_will = |row: &&SigningKeyRow| row.revoked_at.is_none() && row.sign_until.is_none_or(|end| now < end);
    let signing = rows.iter().filter(signs_or_will).map(|row| {
        let known = open.iter().find(|key| key.signer.id() == row.id).map(|key| Arc::clone(&key.signer));
        let signer = known.map_or_else(|| unseal(sealer, row).map(Arc::new), Ok)?;
        Ok(SigningKey { sign_from: row.sign_from, sign_until: row.sign_until, signer })
    });
    signing.collect()
}

fn unseal(sealer: &Sealer, row: &SigningKeyRow) -> Result<Signer, KeyError> {
    let damaged = |reason: String| KeyError::Damaged { id: row.id.clone(), reason };
    let algorithm: Algorithm = row.algorithm.parse().map_err(|error: UnknownAlgorithm| damaged(error.to_string()))?;
    let kept = row.sealed.as_deref().ok_or_else(|| damaged("its private half is missing".to_owned()))?;
    let private = sealer.unseal(kept, &row.id).map_err(|source| KeyError::Sealed { id: row.id.clone(), source })?;
    let signer = Signer::open(algorithm, &private).map_err(|error: NotAKey| damaged(error.to_string()))?;
    if signer.id() != row.id {
        return Err(damaged("its private half belongs to another key".to_owned()));
    }
    Ok(signer)
}

fn published(rows: &[SigningKeyRow], now: i64) -> Published {
    let listed = rows.iter().filter(|row| state_of(row, now).is_listed());
    let keys: Vec<&str> = listed.map(|row| row.public_jwk.as_str()).collect();
    let body = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let etag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, body.as_bytes())));
    Published { body, etag }
}

fn key_set(published: &Published) -> Result<KeySet, KeyError> {
    KeySet::from_jwks(published.body.as_bytes())
        .map_err(|error| KeyError::Damaged { id: String::new(), reason: error.to_string() })
}
