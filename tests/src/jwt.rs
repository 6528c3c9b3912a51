//! Signs whatever a test wants to be signed, and reads what a service has signed.

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// A pair of RSA keys that the test owns.
pub struct SigningKey {
    pair: RsaKeyPair,
}

impl SigningKey {
    /// Makes a pair of 2048 bits.
    pub fn generate() -> Self {
        Self { pair: RsaKeyPair::generate(KeySize::Rsa2048).expect("a pair of this size can be made") }
    }

    /// Reads a private key in the form of PKCS #1.
    pub fn from_pkcs1(der: &[u8]) -> Self {
        Self { pair: RsaKeyPair::from_der(der).expect("it is the private key of a pair") }
    }

    /// Its key ID: the thumbprint (RFC 7638 §3).
    pub fn id(&self) -> String {
        let (n, e) = self.components();
        encode(digest(&SHA256, format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes()))
    }

    /// Its public half, as a key set lists it.
    pub fn jwk(&self) -> Value {
        let (n, e) = self.components();
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id(), "n": n, "e": e})
    }

    /// Modulus and exponent, base64url.
    pub fn components(&self) -> (String, String) {
        let public = self.pair.public_key();
        (encode(public.modulus().big_endian_without_leading_zero()), encode(public.exponent().big_endian_without_leading_zero()))
    }

    /// The public half as `SubjectPublicKeyInfo`, for those who would use it as a secret.
    pub fn public_der(&self) -> Vec<u8> {
        self.pair.public_key().as_der().expect("a public key can be encoded").as_ref().to_vec()
    }

    /// The private half in the form of PKCS #8, for signatures that no library would make.
    pub fn private_der(&self) -> Vec<u8> {
        AsDer::<Pkcs8V1Der<'_>>::as_der(&self.pair).expect("a pair can be encoded").as_ref().to_vec()
    }

    /// Signs bytes with RS256.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.sign_with(&RSA_PKCS1_SHA256, message)
    }

    /// Signs bytes with another algorithm for RSA keys.
    pub fn sign_with(&self, algorithm: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(algorithm, &SystemRandom::new(), message, &mut signature).expect("a pair signs anything");
        signature
    }
}

/// A token that is being made: whatever its members say, it can be signed.
#[derive(Clone, Debug)]
pub struct Token {
    /// The members of the header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

impl Token {
    /// Reads a token without a look at its signature.
    pub fn read(token: &str) -> Self {
        let mut segments = token.split('.').map(|segment| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(segment).expect("a segment is base64url");
            serde_json::from_slice::<Map<String, Value>>(&bytes)
        });
        let mut next = || segments.next().expect("a token has a header and claims").expect("a segment is a JSON object");
        Self { header: next(), claims: next() }
    }

    /// Sets a member of the header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a member out of the header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Takes out a claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Moves the token in time, by seconds.
    #[must_use]
    pub fn moved(mut self, seconds: i64) -> Self {
        for name in ["iat", "nbf", "exp", "auth_time"] {
            if let Some(time) = self.claims.get(name).and_then(Value::as_i64) {
                self.claims.insert(name.to_owned(), (time + seconds).into());
            }
        }
        self
    }

    /// What is signed: header and claims.
    pub fn signing_input(&self) -> String {
        signing_input(json!(self.header).to_string(), json!(self.claims).to_string())
    }

    /// The token, signed with RS256.
    pub fn sign(&self, key: &SigningKey) -> String {
        let input = self.signing_input();
        with_signature(&input, &key.sign(input.as_bytes()))
    }
}

/// Joins any header and any payload.
pub fn signing_input(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", encode(header), encode(payload))
}

/// Adds a signature to what it signs.
pub fn with_signature(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", encode(signature))
}

/// Signs any header and any payload with RS256.
pub fn signed(key: &SigningKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let input = signing_input(header, payload);
    with_signature(&input, &key.sign(input.as_bytes()))
}

/// Base64url without padding (RFC 7515 §2).
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
