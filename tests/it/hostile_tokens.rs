//! Tokens that are almost good, those that the usual tools make, and paths that are almost those of an administrator
//! (A.JV-27, A.JV-29).

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rsa::{
    BigUint, RsaPublicKey,
    pkcs1::EncodeRsaPublicKey,
    pkcs8::{EncodePublicKey, LineEnding},
};
use serde_json::{Value, json};
use shared::access_token::{AccessTokenVerifier, KeySet};
use tests::{
    Http, PASSWORD, Stack,
    jwt::{self, SigningKey, Token},
    wire,
};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

/// Everything that is one change away from this text: a letter more, less, or another, two changed places, a cut.
fn neighbours(token: &str) -> impl Iterator<Item = Vec<u8>> {
    let bytes = token.as_bytes();
    let with = move |at: usize, value: u8| {
        let mut changed = bytes.to_vec();
        changed[at] = value;
        changed
    };
    let letters = (0..bytes.len()).flat_map(move |at| ALPHABET.iter().map(move |letter| with(at, *letter)));
    let bits = (0..bytes.len()).flat_map(move |at| (0..8).map(move |bit| with(at, bytes[at] ^ (1 << bit))));
    let fewer = (0..bytes.len()).map(move |at| [&bytes[..at], &bytes[at + 1..]].concat());
    let more = (0..=bytes.len()).flat_map(move |at| {
        b"A.=\n %".iter().chain(bytes.get(at)).map(move |letter| [&bytes[..at], &[*letter], &bytes[at..]].concat())
    });
    let swapped = (1..bytes.len()).map(move |at| [&bytes[..at - 1], &[bytes[at], bytes[at - 1]], &bytes[at + 1..]].concat());
    let cut = (0..bytes.len()).flat_map(move |at| [bytes[..at].to_vec(), bytes[at..].to_vec()]);
    letters.chain(bits).chain(fewer).chain(more).chain(swapped).chain(cut)
}

/// All of them, at the verifier that the API has, with the keys that the issuer publishes.
#[tokio::test]
async fn a_jv_29_whatever_is_one_change_away_from_a_good_token_is_none() {
    let stack = Stack::start().await;
    let good = stack.token_of("rita", &["reader"]).await;
    let keys = stack.auth().http().get("/.well-known/jwks.json").send().await;
    let keys = Arc::new(ArcSwap::from_pointee(KeySet::from_jwks(keys.body()).expect("the issuer's keys")));
    let verifier = AccessTokenVerifier::with_local_keys(stack.auth_url(), stack.resource_url(), keys);
    assert!(verifier.verify(&good).await.is_ok());

    let mut refused = 0;
    for changed in neighbours(&good).filter(|changed| changed != good.as_bytes()) {
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(verifier.verify(&changed).await.is_err(), "{changed}");
        refused += 1;
    }
    assert!(refused > 50_000, "{refused} tokens");
    assert!(verifier.verify(&good).await.is_ok());
}

/// Spellings of a path that a proxy, or a router, could take for the path itself.
fn spellings(path: &str) -> Vec<String> {
    let (first, rest) = path[1..].split_once('/').expect("two segments");
    vec![
        format!("/./{first}/{rest}"),
        format!("/{first}/./{rest}"),
        format!("/{first}/../{first}/{rest}"),
        format!("/nowhere/../{first}/{rest}"),
        format!("/../{first}/{rest}"),
        format!("//{first}/{rest}"),
        format!("/{first}//{rest}"),
        format!("/{first}/{rest}/"),
        format!("/{first}/{rest}/."),
        format!("/{first}/{rest}/.."),
        format!("/{}/{rest}", first.to_uppercase()),
        format!("/{first}%2f{rest}"),
        format!("/{first}%2F{rest}"),
        format!("/{first}%5c{rest}"),
        format!("/{first}\\{rest}"),
        format!("/%2e/{first}/{rest}"),
        format!("/nowhere/%2e%2e/{first}/{rest}"),
        format!("/{first}/{rest};x"),
        format!("/{first};x/{rest}"),
        format!("/nowhere/..;/{first}/{rest}"),
        format!("/%{:02x}{}/{rest}", first.as_bytes()[0], &first[1..]),
        format!("/{first}/{rest}%00"),
        format!("/{first}/{rest}%20"),
        format!("/{first}/{rest}.json"),
    ]
}

/// As it is written: no library may put the path right before it is sent.
async fn status(http: &Http, path: &str, token: &str, more: &str) -> u16 {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{more}Connection: close\r\n\r\n");
    let answer = wire::send(http, head).await;
    wire::status(&answer).unwrap_or_else(|| panic!("no answer to {path}: {answer}"))
}

#[tokio::test]
async fn a_jv_27_no_spelling_of_an_administrators_path_leads_around_the_check() {
    let stack = Stack::start().await;
    stack.user("rita", &["reader"]).await;
    let account = stack.client().scope("account").log_in("rita", PASSWORD).await;
    let documents = stack.client().scope("documents:read").log_in("rita", PASSWORD).await;

    for (http, path, token) in [(stack.api(), "/admin/documents", documents), (stack.auth().http(), "/admin/users", account)] {
        assert_eq!(status(http, path, &token, "").await, 403, "{path}");
        for spelling in spellings(path) {
            let status = status(http, &spelling, &token, "").await;
            assert!(matches!(status, 400 | 403 | 404), "{status} for {spelling}");
        }
        for header in [
            "X-HTTP-Method-Override: OPTIONS",
            "X-Method-Override: HEAD",
            "X-Original-URL: /health/live",
            "X-Rewrite-URL: /health/live",
            "X-Forwarded-Prefix: /health",
            "X-Forwarded-For: 127.0.0.1",
            "Forwarded: for=127.0.0.1",
        ] {
            assert_eq!(status(http, path, &token, &format!("{header}\r\n")).await, 403, "{header}");
            // And the other way round: no header turns an open path into an administrator's.
            let turned = format!("X-Original-URL: {path}\r\nX-Rewrite-URL: {path}\r\n");
            assert_eq!(status(http, "/health/live", &token, &turned).await, 200);
        }
    }
}

/// Everything about the issuer's public key that somebody could take for a secret.
fn public_secrets(jwk: &Value) -> Vec<Vec<u8>> {
    let number = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("a number")).expect("in base64url");
    let (n, e) = (number("n"), number("e"));
    let key = RsaPublicKey::new(BigUint::from_bytes_be(&n), BigUint::from_bytes_be(&e)).expect("a public key");
    let pem = key.to_public_key_pem(LineEnding::LF).expect("PEM");
    let pkcs1 = key.to_pkcs1_pem(LineEnding::LF).expect("PEM");
    vec![
        pem.trim_end().as_bytes().to_vec(),
        pkcs1.trim_end().as_bytes().to_vec(),
        pem.into_bytes(),
        pkcs1.into_bytes(),
        key.to_public_key_der().expect("DER").as_bytes().to_vec(),
        key.to_pkcs1_der().expect("DER").as_bytes().to_vec(),
        jwk.to_string().into_bytes(),
        n,
        b"secret".to_vec(),
        vec![0],
    ]
}

/// What a tool makes of a good token and the published key: without the private half, so none of it may be taken.
fn forged(good: &str, jwk: &Value) -> Vec<(String, String)> {
    let token = Token::read(good);
    let (_, signature) = good.rsplit_once('.').expect("a signature");
    let mut forged = Vec::new();
    for algorithm in ["none", "None", "NONE", "nOnE", "none ", "", "HS256", "rs256", "RS512", "PS256", "ES256"] {
        let input = token.clone().header("alg", algorithm).signing_input();
        forged.push((format!("alg {algorithm:?}, no signature"), format!("{input}.")));
        forged.push((format!("alg {algorithm:?}, the old signature"), format!("{input}.{signature}")));
    }
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        for (index, secret) in public_secrets(jwk).iter().enumerate() {
            let input = token.clone().header("alg", name).signing_input();
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
            forged.push((format!("{name} with public secret {index}"), jwt::with_signature(&input, tag.as_ref())));
        }
    }
    let own = SigningKey::generate();
    let chain = json!([BASE64_URL_SAFE_NO_PAD.encode(own.public_der())]);
    for (name, value) in [
        ("jwk", own.jwk()),
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/chain.pem")),
        ("x5c", chain),
        ("kid", json!(own.id())),
        ("kid", json!("../../../../../../dev/null")),
        ("kid", json!("/dev/null")),
        ("kid", json!("x' UNION SELECT '1';--")),
        ("kid", json!("|sleep 10")),
        ("kid", json!("http://127.0.0.1:9/key")),
        ("kid", json!(["a"])),
        ("kid", json!(1)),
    ] {
        forged.push((format!("signed by somebody else, {name} = {value}"), token.clone().header(name, value).sign(&own)));
    }
    for (what, signature) in [
        ("zeros", vec![0; 256]),
        ("ones", vec![0xff; 256]),
        ("one byte", vec![0]),
        ("the modulus", { BASE64_URL_SAFE_NO_PAD.decode(jwk["n"].as_str().expect("a modulus")).expect("in base64url") }),
    ] {
        forged.push((format!("a signature of {what}"), jwt::with_signature(&token.signing_input(), &signature)));
    }
    for (name, value) in [
        ("sub", json!("usr_1")),
        ("roles", json!(["admin"])),
        ("scope", json!("documents:admin admin:users")),
        ("exp", json!(4_000_000_000_u64)),
    ] {
        let input = token.clone().claim(name, value).signing_input();
        forged.push((format!("another {name}, the old signature"), format!("{input}.{signature}")));
    }
    forged
}

#[tokio::test]
async fn what_the_usual_tools_make_of_a_token_is_refused_by_both_services() {
    let stack = Stack::start().await;
    stack.user("rita", &["reader"]).await;
    let jwk = stack.auth().http().get("/.well-known/jwks.json").send().await.assert_ok()["keys"][0].clone();

    for (http, path, scope) in [(stack.auth().http(), "/account", "account"), (stack.api(), "/me", "documents:read")] {
        let good = stack.client().scope(scope).log_in("rita", PASSWORD).await;
        http.get(path).bearer(&good).send().await.assert_ok();
        let forged = forged(&good, &jwk);
        assert!(forged.len() > 60, "{} tokens", forged.len());
        for (what, token) in forged {
            let answer = http.get(path).bearer(&token).send().await;
            assert_eq!(answer.status(), 401, "{what}\n{answer}");
            answer.assert_invalid_token();
        }
        http.get(path).bearer(&good).send().await.assert_ok();
    }
}
