//! What every request at an API costs beside the network: a token verified for the first time and again, its status, scopes.
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use serde_json::{Value, json};
use shared::{
    access_token::{AccessTokenClaims, AccessTokenVerifier, KeySet, status_list::StatusList},
    scope::Scope,
};

const ISSUER: &str = "https://auth.example";
const RESOURCE: &str = "https://api.example";

/// A token as the issuer makes them, and the key set that it is verified with.
fn token() -> (String, Arc<ArcSwap<KeySet>>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let encoded = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
    let jwk = json!({
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one",
        "n": encoded(n.big_endian_without_leading_zero()), "e": encoded(e.big_endian_without_leading_zero()),
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "typ": "at+jwt", "alg": "RS256", "kid": "one" });
    let claims = json!({
        "iss": ISSUER, "sub": "usr_019ab1c2d3e4f5a6b7c8d9e0f1a2b3c4", "aud": RESOURCE, "client_id": "first-party",
        "iat": now, "nbf": now, "exp": now + 3600, "jti": "6f1c0ffee0ddba11c0dec0ffee15bad0",
        "scope": "documents:read documents:write account", "roles": ["editor"], "auth_time": now, "amr": ["pwd"],
    });
    let part = |value: &Value| encoded(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    let keys = KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    (format!("{signed}.{}", encoded(&signature)), Arc::new(ArcSwap::from_pointee(keys)))
}

/// What the issuer adds to the claims of a token: JSON, and a signature by a key that is kept parsed.
fn signing(criterion: &mut Criterion) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let (token, _) = token();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: AccessTokenClaims = serde_json::from_slice(&payload).unwrap();
    let (random, mut signature) = (SystemRandom::new(), vec![0; pair.public_modulus_len()]);
    criterion.bench_function("serialise and sign an access token, RS256", |bencher| {
        bencher.iter(|| {
            let payload = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(black_box(&claims)).unwrap());
            pair.sign(&RSA_PKCS1_SHA256, &random, payload.as_bytes(), &mut signature).unwrap();
        });
    });
}

/// With keys at hand there is nothing to wait for.
fn verify(verifier: &AccessTokenVerifier, token: &str) {
    let claims = verifier.verify(black_box(token)).now_or_never().expect("the keys are at hand");
    black_box(claims.expect("the token is good"));
}

fn verification(criterion: &mut Criterion) {
    let (token, keys) = token();
    let verifier = || AccessTokenVerifier::with_local_keys(ISSUER, RESOURCE, Arc::clone(&keys));
    criterion.bench_function("verify a token, first time", |bencher| {
        bencher.iter_batched(verifier, |verifier| verify(&verifier, &token), BatchSize::SmallInput);
    });
    let remembering = verifier();
    criterion.bench_function("verify a token, remembered", |bencher| bencher.iter(|| verify(&remembering, &token)));
    let (rest, end) = token.split_at(token.len() - 8);
    let forged = format!("{rest}{}{}", if end.starts_with('A') { 'B' } else { 'A' }, &end[1..]);
    criterion.bench_function("refuse a forged token", |bencher| {
        bencher.iter(|| remembering.verify(black_box(&forged)).now_or_never().expect("the keys are at hand").unwrap_err());
    });
    criterion.bench_function("refuse garbage", |bencher| {
        bencher.iter(|| remembering.verify(black_box("aaaa.bbbb.cccc")).now_or_never().expect("no keys needed").unwrap_err());
    });
}

fn scopes(criterion: &mut Criterion) {
    let held: Scope = "account admin:users documents:admin documents:read documents:write".parse().unwrap();
    let wanted: Scope = "documents:read documents:write".parse().unwrap();
    criterion.bench_function("parse a scope", |bencher| {
        bencher.iter(|| black_box("documents:read documents:write").parse::<Scope>().unwrap());
    });
    criterion.bench_function("intersect scopes", |bencher| bencher.iter(|| black_box(&held).intersection(black_box(&wanted))));
    criterion.bench_function("a scope contains another", |bencher| {
        bencher.iter(|| black_box(&held).contains_all(black_box(&wanted)));
    });
}

fn status(criterion: &mut Criterion) {
    const PLACES: usize = 1 << 20;
    let mut list = StatusList::new(1, PLACES).unwrap();
    for place in (0..PLACES as u64).step_by(997) {
        list.set(place, 1).unwrap();
    }
    let mut place = 0;
    criterion.bench_function("look up a status among 2^20", |bencher| {
        bencher.iter(|| {
            place = (place + 7919) % PLACES as u64;
            list.get(black_box(place))
        });
    });
    let encoded = list.to_lst();
    criterion.bench_function("decode a list of 2^20 statuses", |bencher| {
        bencher.iter(|| StatusList::from_lst(1, black_box(&encoded), PLACES).unwrap());
    });
}

criterion_group!(benches, signing, verification, scopes, status);
criterion_main!(benches);
