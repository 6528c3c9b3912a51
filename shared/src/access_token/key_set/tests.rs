//! Which keys are used, and that they verify.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde_json::json;

use super::*;
use crate::access_token::testing::{SigningKey, base64url, jwks};

fn key() -> Value {
    SigningKey::new("key-1", 0).jwk()
}

fn with(changes: &Value) -> Value {
    let mut key = key();
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

#[test]
fn every_algorithm_verifies_its_own_signatures_and_no_others() {
    let mut pss = SigningKey::new("pss", 0);
    pss.algorithm = Algorithm::Ps256;
    let rsa = SigningKey::new("rsa", 0);
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = ec.public_key().as_ref();
    let elliptic = json!({ "kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "x": base64url(&point[1..33]), "y": base64url(&point[33..]) });
    let ed = Ed25519KeyPair::generate().unwrap();
    let edwards = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "x": base64url(ed.public_key()) });
    let message = b"message";
    let signatures = [
        (rsa.jwk(), Algorithm::Rs256, rsa.sign(message)),
        (pss.jwk(), Algorithm::Ps256, pss.sign(message)),
        (elliptic, Algorithm::Es256, ec.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()),
        (edwards, Algorithm::EdDsa, ed.sign(message).as_ref().to_vec()),
    ];
    for (jwk, algorithm, own) in &signatures {
        let key = VerificationKey::from_jwk(jwk).unwrap();
        assert_eq!(key.algorithm(), *algorithm);
        for (_, _, signature) in &signatures {
            assert_eq!(key.holds(message, signature), signature == own, "{algorithm}");
        }
        assert!(!key.holds(b"another message", own));
    }
}

#[test]
fn a_key_that_cannot_be_used_is_passed_over_and_reported() {
    let n = base64url(SigningKey::new("", 0).modulus());
    let rows = [
        (json!({ "kid": null }), UnusableKey::Id),
        (json!({ "kid": "a/b" }), UnusableKey::Id),
        (json!({ "kid": "" }), UnusableKey::Id),
        (json!({ "kid": 1 }), UnusableKey::Malformed),
        (json!({ "use": "enc" }), UnusableKey::NotForSignatures),
        (json!({ "key_ops": ["encrypt"] }), UnusableKey::NotForSignatures),
        (json!({ "alg": "RS512" }), UnusableKey::Algorithm),
        (json!({ "alg": "HS256" }), UnusableKey::Algorithm),
        (json!({ "kty": "unheard-of" }), UnusableKey::Algorithm),
        (json!({ "d": "AQAB" }), UnusableKey::NotPublic),
        (json!({ "kty": "oct", "k": "c2VjcmV0" }), UnusableKey::NotPublic),
        (json!({ "n": "AQAB" }), UnusableKey::Size),
        (json!({ "n": n[..172] }), UnusableKey::Size),
        (json!({ "n": format!("{n}=") }), UnusableKey::Malformed),
        (json!({ "n": "" }), UnusableKey::Size),
        (json!({ "e": "" }), UnusableKey::Malformed),
        (json!({ "e": "AQAA" }), UnusableKey::Malformed),
        (json!({ "e": "AQ" }), UnusableKey::Malformed),
        (json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "alg": "ES384" }), UnusableKey::Algorithm),
        (json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "alg": "ES256" }), UnusableKey::Malformed),
        (
            json!({ "kty": "EC", "crv": "P-256", "x": base64url([1; 32]), "y": base64url([1; 32]), "alg": "ES256" }),
            UnusableKey::Malformed,
        ),
    ];
    for (changes, reason) in rows {
        let set = json!({ "keys": [with(&changes), with(&json!({ "kid": "good" }))] });
        let set = KeySet::from_jwks(set.to_string().as_bytes()).unwrap();
        assert_eq!(set.ids().collect::<Vec<_>>(), ["good"], "{changes}");
        assert_eq!(set.unusable().map(|(_, reason)| reason).collect::<Vec<_>>(), [reason], "{changes}");
    }
}

#[test]
fn what_is_optional_may_be_left_out() {
    let mut key = key();
    for member in ["use", "alg"] {
        key.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(VerificationKey::from_jwk(&key).unwrap().algorithm(), Algorithm::Rs256);
    assert!(VerificationKey::from_jwk(&with(&json!({ "key_ops": ["verify"], "x5t": "x", "iat": 1 }))).is_ok());
}

#[test]
fn two_keys_of_one_id_are_none() {
    let (first, twin) = (SigningKey::new("same", 0), SigningKey::new("same", 1));
    let other = SigningKey::new("other", 1);
    let set = KeySet::from_jwks(jwks(&[&first, &twin, &other]).as_bytes()).unwrap();
    assert_eq!(set.ids().collect::<Vec<_>>(), ["other"]);
    assert_eq!(set.unusable().collect::<Vec<_>>(), [(Some("same"), UnusableKey::Ambiguous)]);
    // The same key twice is only said twice.
    assert_eq!(KeySet::from_jwks(jwks(&[&first, &first]).as_bytes()).unwrap().len(), 1);
}

#[test]
fn a_set_is_not_believed_whatever_it_is() {
    let many = json!({ "keys": vec![json!({}); MAX_KEYS + 1] }).to_string();
    for (json, error) in [
        ("", KeySetError::Malformed),
        ("<html>", KeySetError::Malformed),
        ("[]", KeySetError::Malformed),
        ("{}", KeySetError::Malformed),
        (r#"{"keys":{}}"#, KeySetError::Malformed),
        (r#"{"keys":[],"keys":[]}"#, KeySetError::Malformed),
        (r#"{"keys":[]}"#, KeySetError::NoUsableKey),
        (r#"{"keys":[1,null,"a",[]]}"#, KeySetError::NoUsableKey),
        (&many, KeySetError::TooManyKeys),
    ] {
        assert_eq!(KeySet::from_jwks(json.as_bytes()).unwrap_err(), error, "{json}");
    }
}
