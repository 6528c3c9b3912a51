//! One key pair: how it is made, kept, and signs.
//!
//! `rsa` makes RSA pairs. Everything that touches a private half afterwards runs on aws-lc-rs, parsed once: the timing
//! weakness of `rsa` (RUSTSEC-2023-0071) is off the network path, and no token pays for parsing a key.

use aws_lc_rs::{
    digest, rand,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
        RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Header;
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::OsRng};
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Algorithm;

/// The octets of a coordinate on P-256.
const COORDINATE: usize = 32;

/// A key pair that signs.
pub(super) struct Signer {
    id: String,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A new key pair in the form that is kept: the private half as PKCS#1 (RSA) or PKCS#8 DER.
pub(super) struct Generated {
    pub(super) private: Zeroizing<Vec<u8>>,
    pub(super) signer: Signer,
}

/// The bytes are not the private half of a key of that algorithm.
#[derive(Debug, thiserror::Error)]
#[error("it does not hold a private {0} key")]
pub(crate) struct NotAKey(Algorithm);

impl Signer {
    /// Makes a key pair; `bits` is the size of an RSA key. That takes up to seconds: never on an async thread.
    pub(super) fn generate(algorithm: Algorithm, bits: usize) -> Generated {
        let private = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let key = RsaPrivateKey::new(&mut OsRng, bits).expect("the settings allow only sizes that can be generated");
                key.to_pkcs1_der().expect("a generated key can be encoded").as_bytes().to_vec()
            }
            Algorithm::Es256 => {
                let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the system's random source answers");
                key.to_pkcs8v1().expect("a generated key can be encoded").as_ref().to_vec()
            }
            Algorithm::EdDsa => {
                let key = Ed25519KeyPair::generate().expect("the system's random source answers");
                key.to_pkcs8v1().expect("a generated key can be encoded").as_ref().to_vec()
            }
        };
        let private = Zeroizing::new(private);
        let signer = Self::open(algorithm, &private).expect("a generated key can be read");
        Generated { private, signer }
    }

    /// Reads a private half.
    pub(super) fn open(algorithm: Algorithm, private: &[u8]) -> Result<Self, NotAKey> {
        let not_a_key = |_| NotAKey(algorithm);
        let rsa = || RsaKeyPair::from_der(private).map(Box::new).map_err(not_a_key);
        let pair = match algorithm {
            Algorithm::Rs256 => Pair::Rsa(rsa()?, &RSA_PKCS1_SHA256),
            Algorithm::Ps256 => Pair::Rsa(rsa()?, &RSA_PSS_SHA256),
            Algorithm::Es256 => {
                Pair::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private).map_err(not_a_key)?)
            }
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(private).map_err(not_a_key)?),
        };
        Ok(Self { id: thumbprint(&pair.members()), algorithm, pair })
    }

    /// The key ID: the RFC 7638 thumbprint.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The public half as a JWK (RFC 7517 §4).
    pub(super) fn public_jwk(&self) -> String {
        let mut jwk = self.pair.members();
        for (name, value) in [("use", "sig"), ("alg", self.algorithm.name()), ("kid", &self.id)] {
            jwk.insert(name.to_owned(), value.into());
        }
        Value::Object(jwk).to_string()
    }

    /// Signs claims as a compact JWS of this type (RFC 7515 §3.1).
    pub(super) fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        let header = Header { typ: Some(typ.to_owned()), kid: Some(self.id.clone()), ..Header::new(registered(self.algorithm)) };
        let header = serde_json::to_vec(&header).expect("a header is plain JSON");
        let claims = serde_json::to_vec(claims).expect("claims are plain JSON");
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = rand::SystemRandom::new();
        match self {
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).expect("a parsed key signs anything");
                signature
            }
            Self::P256(pair) => pair.sign(&random, message).expect("a parsed key signs anything").as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The members that make the public key what it is, and no others: `kty` and what RFC 7638 §3.2 asks for with it.
    fn members(&self) -> Map<String, Value> {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let members = match self {
            // Without leading zero octets (RFC 7518 §6.3.1).
            Self::Rsa(pair, _) => {
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                vec![("e", e), ("kty", "RSA".to_owned()), ("n", n)]
            }
            // An uncompressed point: 4, x, y (SEC 1 §2.3.3).
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(COORDINATE);
                vec![("crv", "P-256".to_owned()), ("kty", "EC".to_owned()), ("x", encode(x)), ("y", encode(y))]
            }
            Self::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                vec![("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", x)]
            }
        };
        members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}

/// The algorithm as `jsonwebtoken` names it.
const fn registered(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}

/// RFC 7638 §3: SHA-256 over the required members in lexicographic order (a `Map` keeps it), without white space.
fn thumbprint(members: &Map<String, Value>) -> String {
    let members = serde_json::to_vec(members).expect("a map of strings is plain JSON");
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::access_token::VerificationKey;

    use super::*;

    /// RFC 7638 §3.1.
    #[test]
    fn jk_02_the_thumbprint_is_the_one_of_the_rfcs_example() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9\
                 1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let Value::Object(members) = json!({"kty": "RSA", "n": n, "e": "AQAB"}) else { unreachable!("an object") };
        assert_eq!(thumbprint(&members), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    /// RFC 8037 §A.3.
    #[test]
    fn the_thumbprint_of_an_ed25519_key_is_the_one_of_the_rfcs_example() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let Value::Object(members) = json!({"kty": "OKP", "crv": "Ed25519", "x": x}) else { unreachable!("an object") };
        assert_eq!(thumbprint(&members), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_of_every_algorithm_is_kept_read_again_and_published() {
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
            let generated = Signer::generate(algorithm, 2048);
            let again = Signer::open(algorithm, &generated.private).unwrap();
            assert_eq!(again.id(), generated.signer.id());
            let jwk = serde_json::from_str(&again.public_jwk()).unwrap();
            let public = VerificationKey::from_jwk(&jwk).unwrap();
            assert_eq!((public.id(), public.algorithm().name()), (again.id(), algorithm.name()));
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        for bytes in [&b""[..], b"-----BEGIN", &[0; 1200]] {
            for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
                assert!(Signer::open(algorithm, bytes).is_err());
            }
        }
    }
}
