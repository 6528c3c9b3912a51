//! The signature of a token: whether it is one, and whose.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::json;
use tests::jwt::{self, Token};

use super::Trial;

/// A.JV-03
#[tokio::test]
async fn jv_02_an_unsigned_token_is_worth_nothing() {
    let trial = Trial::start().await;
    let good = trial.token().sign(trial.issuer.key());
    let (_, old_signature) = good.rsplit_once('.').expect("three segments");

    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let input = trial.token().header("alg", alg).signing_input();
        trial.refuses_text(&format!("{input}.")).await;
        trial.refuses_text(&format!("{input}.{old_signature}")).await;
        trial.refuses(&trial.token().header("alg", alg)).await;
    }
}

/// A.JV-05
#[tokio::test]
async fn jv_02_a_public_key_is_no_shared_secret() {
    let trial = Trial::start().await;
    let key = trial.issuer.key();
    let der = key.public_der();
    let base64 = BASE64_STANDARD.encode(&der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let (n, _) = key.components();

    let secrets =
        [der, pem.clone().into_bytes(), format!("{pem}\n").into_bytes(), key.jwk().to_string().into_bytes(), n.into_bytes()];
    for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let input = trial.token().header("alg", alg).signing_input();
        for secret in &secrets {
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
            trial.refuses_text(&jwt::with_signature(&input, tag.as_ref())).await;
        }
    }
}

/// A.JV-02
#[tokio::test]
async fn jv_07_a_signature_that_was_touched_holds_no_more() {
    let trial = Trial::start().await;
    let key = trial.issuer.key();
    let input = trial.token().signing_input();
    let good = key.sign(input.as_bytes());
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(key.components().0).expect("base64url");

    trial.present(&jwt::with_signature(&input, &good)).await.assert_ok();
    for index in 0..good.len() {
        let mut flipped = good.clone();
        flipped[index] ^= 1 << (index % 8);
        trial.refuses_text(&jwt::with_signature(&input, &flipped)).await;
    }
    let with = |bytes: Vec<u8>| jwt::with_signature(&input, &bytes);
    for bad in [
        with(Vec::new()),
        with(vec![0; 256]),
        with(vec![0xff; 256]),
        with(vec![1]),
        with(modulus),
        with(good[..255].to_vec()),
        with(good[1..].to_vec()),
        with([&good[..], &[0]].concat()),
        with([&[0], &good[..]].concat()),
        with(good.iter().rev().copied().collect()),
    ] {
        trial.refuses_text(&bad).await;
    }
    let other = Token { claims: trial.token().claim("sub", "usr_other").claims, ..trial.token() };
    trial.refuses_text(&jwt::with_signature(&other.signing_input(), &good)).await;
}

#[tokio::test]
async fn a_key_may_have_another_algorithm_and_is_then_used_with_no_other() {
    let trial = Trial::start().await;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a pair");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).expect("a pair");
    let point = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "es", "x": jwt::encode(&point[1..33]), "y": jwt::encode(&point[33..])});
    trial.issuer.publish(&[trial.issuer.key().jwk(), jwk]);
    let input = trial.token().header("alg", "ES256").header("kid", "es").signing_input();
    let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).expect("it signs");

    trial.present(&jwt::with_signature(&input, signature.as_ref())).await.assert_ok();
    trial.refuses_text(&jwt::with_signature(&input, &[0; 64])).await;
    trial.refuses(&trial.token().header("kid", "es")).await;
    trial.refuses(&trial.token().header("alg", "ES256")).await;
}
