//! The issuer's public keys, as a verifier holds them: parsed once, found by key ID.

mod predictable;

use std::{collections::HashMap, fmt, sync::Arc};

use aws_lc_rs::{
    digest,
    signature::{self, ParsedPublicKey, RsaPublicKeyComponents},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, KeyAlgorithm, KeyOperations, OctetKeyPairParameters,
    PublicKeyUse, RSAKeyParameters,
};
use serde::Deserialize;
use serde_json::Value;

use self::predictable::is_predictable;
use super::Algorithm;

/// The most keys a set may hold.
pub const MAX_KEYS: usize = 32;

/// One public key: its ID, the only algorithm it may be used with, and the key itself, parsed.
#[derive(Clone)]
pub struct VerificationKey {
    id: String,
    algorithm: Algorithm,
    key: ParsedPublicKey,
    fingerprint: [u8; 32],
}

impl VerificationKey {
    /// Reads a public JSON Web Key (RFC 7517 §4) that can verify signatures.
    pub fn from_jwk(jwk: &Value) -> Result<Self, UnusableKey> {
        // A private half where everybody can read it belongs to nobody any more.
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| jwk.get(member).is_some()) {
            return Err(UnusableKey::NotPublic);
        }
        let jwk = Jwk::deserialize(jwk).map_err(|_| UnusableKey::Malformed)?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return Err(UnusableKey::NotForSignatures);
        }
        if jwk.common.key_operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return Err(UnusableKey::NotForSignatures);
        }
        let id = jwk.common.key_id.filter(|id| is_key_id(id)).ok_or(UnusableKey::Id)?;
        let (algorithm, key) = match jwk.algorithm {
            AlgorithmParameters::RSA(parameters) => rsa_key(&parameters, jwk.common.key_algorithm)?,
            AlgorithmParameters::EllipticCurve(parameters) => ec_key(&parameters, jwk.common.key_algorithm)?,
            AlgorithmParameters::OctetKeyPair(parameters) => ed_key(&parameters, jwk.common.key_algorithm)?,
            _ => return Err(UnusableKey::Algorithm),
        };
        let mut material = digest::Context::new(&digest::SHA256);
        material.update(algorithm.name().as_bytes());
        material.update(key.as_ref());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(material.finish().as_ref());
        Ok(Self { id, algorithm, key, fingerprint })
    }

    /// Its key ID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The only algorithm it verifies with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this signature over this message is by this key.
    pub(super) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }

    /// What tells this key from another of the same ID.
    pub(super) const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VerificationKey").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a key of a set was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableKey {
    /// It is no JSON Web Key, or lacks a member its type needs.
    #[error("it is malformed")]
    Malformed,
    /// It is a secret, or shows its private half.
    #[error("it is not a public key, or not only that")]
    NotPublic,
    /// Its `use` or `key_ops` is for something else.
    #[error("it is not for verifying signatures")]
    NotForSignatures,
    /// Its type, curve or algorithm is none we verify with.
    #[error("its type or algorithm is not supported")]
    Algorithm,
    /// It has no ID, or one that is not 1 to 64 of `A-Z a-z 0-9 _ -`.
    #[error("its ID is missing or not acceptable")]
    Id,
    /// It is an RSA key of fewer than 2048 or more than 4096 bits.
    #[error("its size is not within 2048 to 4096 bits")]
    Size,
    /// It is an RSA key that can be factored (ROCA, CVE-2017-15361).
    #[error("it was made by a generator whose keys can be factored")]
    Predictable,
    /// Another key of the set has the same ID, and a token could mean either.
    #[error("another key has the same ID")]
    Ambiguous,
}

/// Why a JSON Web Key Set cannot be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// It is no JSON object with an array `keys` (RFC 7517 §5).
    #[error("it is not a JSON Web Key Set")]
    Malformed,
    /// It holds more than [`MAX_KEYS`] keys.
    #[error("it holds more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// None of its keys can be used.
    #[error("it holds no usable key")]
    NoUsableKey,
}

/// An immutable set of public keys.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, Arc<VerificationKey>>,
    unusable: Vec<(Option<String>, UnusableKey)>,
}

impl KeySet {
    /// Reads a JSON Web Key Set; keys that cannot be used are passed over (RFC 7517 §5) and reported by
    /// [`KeySet::unusable`].
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Jwks {
            keys: Vec<Value>,
        }
        let jwks: Jwks = serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        if jwks.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self::default();
        let mut ambiguous = Vec::new();
        for jwk in &jwks.keys {
            match VerificationKey::from_jwk(jwk) {
                Ok(key) => match set.keys.get(&key.id) {
                    Some(twin) if twin.fingerprint == key.fingerprint => {}
                    Some(_) => ambiguous.push(key.id),
                    None => drop(set.keys.insert(key.id.clone(), Arc::new(key))),
                },
                Err(reason) => set.unusable.push((jwk.get("kid").and_then(Value::as_str).map(str::to_owned), reason)),
            }
        }
        for id in ambiguous {
            set.keys.remove(&id);
            set.unusable.push((Some(id), UnusableKey::Ambiguous));
        }
        if set.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(set) }
    }

    /// The key with this ID.
    pub fn get(&self, id: &str) -> Option<&VerificationKey> {
        self.keys.get(id).map(Arc::as_ref)
    }

    /// The key with this ID, to keep beyond the set's own life.
    pub(super) fn shared(&self, id: &str) -> Option<Arc<VerificationKey>> {
        self.keys.get(id).map(Arc::clone)
    }

    /// How many usable keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no usable key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The IDs of the usable keys, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The keys that were passed over: the ID, where there was one, and why.
    pub fn unusable(&self) -> impl Iterator<Item = (Option<&str>, UnusableKey)> {
        self.unusable.iter().map(|(id, reason)| (id.as_deref(), *reason))
    }
}

impl FromIterator<VerificationKey> for KeySet {
    /// Collects keys; of two with the same ID the later one stays.
    fn from_iter<I: IntoIterator<Item = VerificationKey>>(keys: I) -> Self {
        let keys = keys.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect();
        Self { keys, unusable: Vec::new() }
    }
}

/// A key ID is a name and nothing else: no path, no URL, no query fits into it.
pub(super) fn is_key_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn rsa_key(parameters: &RSAKeyParameters, named: Option<KeyAlgorithm>) -> Result<(Algorithm, ParsedPublicKey), UnusableKey> {
    // Without `alg` an RSA key is for RS256, which RFC 9068 §2.1 requires everybody to support.
    let (algorithm, verification) = match named {
        None | Some(KeyAlgorithm::RS256) => (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
        Some(KeyAlgorithm::PS256) => (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
        Some(_) => return Err(UnusableKey::Algorithm),
    };
    let (n, e) = (unsigned(&parameters.n)?, unsigned(&parameters.e)?);
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2048..=4096).contains(&bits) {
        return Err(UnusableKey::Size);
    }
    if is_predictable(&n) {
        return Err(UnusableKey::Predictable);
    }
    // With an exponent of 1 everybody could sign, and with an even one nobody.
    if e == [1] || e.last().is_none_or(|octet| octet % 2 == 0) {
        return Err(UnusableKey::Malformed);
    }
    let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(verification).map_err(|_| UnusableKey::Malformed)?;
    Ok((algorithm, key))
}

fn ec_key(
    parameters: &EllipticCurveKeyParameters,
    named: Option<KeyAlgorithm>,
) -> Result<(Algorithm, ParsedPublicKey), UnusableKey> {
    if parameters.curve != EllipticCurve::P256 || !matches!(named, None | Some(KeyAlgorithm::ES256)) {
        return Err(UnusableKey::Algorithm);
    }
    let (x, y) = (octets::<32>(&parameters.x)?, octets::<32>(&parameters.y)?);
    // SEC 1 §2.3.3: an uncompressed point.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let key = ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).map_err(|_| UnusableKey::Malformed)?;
    Ok((Algorithm::Es256, key))
}

fn ed_key(parameters: &OctetKeyPairParameters, named: Option<KeyAlgorithm>) -> Result<(Algorithm, ParsedPublicKey), UnusableKey> {
    if parameters.curve != EllipticCurve::Ed25519 || !matches!(named, None | Some(KeyAlgorithm::EdDSA)) {
        return Err(UnusableKey::Algorithm);
    }
    let x = octets::<32>(&parameters.x)?;
    let key = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| UnusableKey::Malformed)?;
    Ok((Algorithm::EdDsa, key))
}

fn decode(text: &str) -> Result<Vec<u8>, UnusableKey> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| UnusableKey::Malformed)
}

/// `Base64urlUInt` (RFC 7518 §2); a leading zero octet, which §6.3.1.1 forbids and some issuers send, is dropped.
fn unsigned(text: &str) -> Result<Vec<u8>, UnusableKey> {
    let octets = decode(text)?;
    Ok(octets.into_iter().skip_while(|octet| *octet == 0).collect())
}

fn octets<const N: usize>(text: &str) -> Result<[u8; N], UnusableKey> {
    decode(text)?.try_into().map_err(|_| UnusableKey::Malformed)
}

#[cfg(test)]
mod tests;
