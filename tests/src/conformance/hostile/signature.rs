//! The signature: whether it is one, and whose (RFC 7515 §5.2, RFC 8725 §3.1 to §3.3).

use aws_lc_rs::hmac;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};

use crate::{
    conformance::{Row, Trial, row::Cases},
    jwt::{self, Token},
};

pub(super) fn touched(trial: &Trial) -> Row {
    let key = trial.issuer().key();
    let input = trial.token().signing_input();
    let good = key.sign(input.as_bytes());
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(key.components().0).expect("a modulus is base64url");
    let with = |bytes: &[u8]| jwt::with_signature(&input, bytes);
    let mut cases = Cases::of(trial);
    for index in 0..good.len() {
        let mut flipped = good.clone();
        flipped[index] ^= 1 << (index % 8);
        cases = cases.refuses_text(format!("byte {index} changed"), &with(&flipped));
    }
    let other = Token { claims: trial.token().claim("sub", "usr_other").claims, ..trial.token() };
    cases
        .refuses_text("empty", &with(&[]))
        .refuses_text("all zero", &with(&[0; 256]))
        .refuses_text("all ones", &with(&[0xff; 256]))
        .refuses_text("the number one", &with(&[1]))
        .refuses_text("the modulus", &with(&modulus))
        .refuses_text("a byte short", &with(&good[..255]))
        .refuses_text("without its first byte", &with(&good[1..]))
        .refuses_text("a byte too long", &with(&[&good[..], &[0]].concat()))
        .refuses_text("a zero in front", &with(&[&[0], &good[..]].concat()))
        .refuses_text("of another token", &jwt::with_signature(&other.signing_input(), &good))
        .refuses_text("by an unknown key under a known ID", &trial.token().sign(&Trial::stranger()))
        .row("A.JV-02", "a signature that was touched holds no more")
}

pub(super) fn unsigned(trial: &Trial) -> Row {
    let good = trial.sign(&trial.token());
    let old = good.rsplit('.').next().unwrap_or_default();
    let mut cases = Cases::of(trial);
    for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let token = trial.token().header("alg", alg);
        let input = token.signing_input();
        cases = cases
            .refuses_text(format!("alg {alg:?} without a signature"), &format!("{input}."))
            .refuses_text(format!("alg {alg:?} with an old signature"), &format!("{input}.{old}"))
            .refuses(format!("alg {alg:?} with a good signature"), &token);
    }
    cases.row("A.JV-03", "an unsigned token is worth nothing")
}

pub(super) fn shared_secret(trial: &Trial) -> Row {
    let key = trial.issuer().key();
    let der = key.public_der();
    let base64 = BASE64_STANDARD.encode(&der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    // SubjectPublicKeyInfo of an RSA key: 24 bytes, then the key in the form of PKCS #1.
    let pkcs1 = der[24..].to_vec();
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(key.components().0).expect("a modulus is base64url");
    let secrets = [
        ("the public key as PEM", pem.clone().into_bytes()),
        ("the same with a newline", format!("{pem}\n").into_bytes()),
        ("the public key as DER", der),
        ("the public key of PKCS #1", pkcs1),
        ("the JWK", key.jwk().to_string().into_bytes()),
        ("the modulus", modulus),
        ("the modulus in base64url", key.components().0.into_bytes()),
        ("nothing", Vec::new()),
    ];
    let mut cases = Cases::of(trial);
    for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let input = trial.token().header("alg", alg).signing_input();
        for (what, secret) in &secrets {
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
            cases = cases.refuses_text(format!("{alg} with {what}"), &jwt::with_signature(&input, tag.as_ref()));
        }
    }
    cases.row("A.JV-05", "a public key is no shared secret")
}

/// The same mutations in every run: what is found can be found again.
pub(super) fn mutations(trial: &Trial) -> Row {
    let good = trial.sign(&trial.token());
    let bytes = good.as_bytes();
    let mut cases = Cases::of(trial);
    for step in 0..500 {
        let index = (step * 7919) % bytes.len();
        // The last letter of a segment has bits that mean nothing, which A.JV-19 is about.
        let is_last = index + 1 == bytes.len() || bytes[index + 1] == b'.';
        let index = if is_last { index - 1 } else { index };
        let bit = (0..7).map(|turn| (step + turn) % 7).find(|bit| (bytes[index] ^ (1 << bit)).is_ascii_graphic());
        let bit = bit.expect("a letter has a neighbour that can be printed");
        let mut changed = bytes.to_vec();
        changed[index] ^= 1 << bit;
        let token = String::from_utf8(changed).expect("it is ASCII");
        cases = cases.rejects_text(format!("bit {bit} of letter {index}"), &token);
    }
    cases.row("A.JV-29", "a token with one bit changed is another, and no good one (a sample)")
}
