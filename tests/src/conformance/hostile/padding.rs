//! A.JV-25: signatures over encodings that are almost those of RFC 8017 §9.2, made with the right private key, as Wycheproof
//! makes them; and one that needs no key, if the exponent is 3.

use aws_lc_rs::digest::{SHA256, digest};
use rsa::{
    BigUint, RsaPrivateKey,
    pkcs8::DecodePrivateKey,
    traits::{PrivateKeyParts, PublicKeyParts},
};

use crate::{
    conformance::{Row, Trial, row::Cases},
    jwt,
};

/// DER of the `DigestInfo` up to the hash: SHA-256 with a NULL parameter.
const SHA_256: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// 256 bytes: `00 01 FF … FF 00`, and this.
fn padded(info: &[u8]) -> Vec<u8> {
    let mut encoded = vec![0xff; 256];
    encoded[..2].copy_from_slice(&[0, 1]);
    let start = 256 - info.len();
    encoded[start - 1] = 0;
    encoded[start..].copy_from_slice(info);
    encoded
}

pub(super) fn encodings(trial: &Trial) -> Row {
    let private = RsaPrivateKey::from_pkcs8_der(&trial.issuer().key().private_der()).expect("a pair of our own");
    let input = trial.token().signing_input();
    let hash = digest(&SHA256, input.as_bytes());
    let right = [&SHA_256, hash.as_ref()].concat();
    let sign = |encoded: &[u8]| {
        let signed = BigUint::from_bytes_be(encoded).modpow(private.d(), private.n()).to_bytes_be();
        jwt::with_signature(&input, &[vec![0; 256 - signed.len()], signed].concat())
    };
    let mut cases = Cases::of(trial);
    // The right encoding, made the same way: otherwise all that follows would prove nothing.
    cases = cases.add("the right encoding", trial.present(&sign(&padded(&right))), crate::conformance::Expected::Accepted);
    for index in 0..256 {
        let mut encoded = padded(&right);
        encoded[index] ^= 1;
        // A first byte of one makes a number beyond the modulus, or another signature; either way none.
        cases = cases.refuses_text(format!("byte {index} of the encoding changed"), &sign(&encoded));
    }
    for (what, encoded) in structural(&right, hash.as_ref()) {
        cases = cases.refuses_text(what, &sign(&encoded));
    }
    cases
        .refuses_text("a cube root for the exponent 3", &cube_root(trial))
        .row("A.JV-25", "the encoding below a signature is exactly right, or wrong")
}

/// Encodings of another structure, each with a name.
fn structural(right: &[u8], hash: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let info = |replace: &dyn Fn(&mut Vec<u8>)| {
        let mut info = right.to_vec();
        replace(&mut info);
        padded(&info)
    };
    let mut short = [&[0, 1][..], &[0xff; 8], &[0], right].concat();
    short.resize(256, 0x5a);
    vec![
        ("all zero", vec![0; 256]),
        ("eight bytes of padding, and garbage behind", short),
        ("garbage in the parameter", info(&|info| drop(info.splice(15..17, [&[5, 0x81, 100][..], &[0x5a; 100]].concat())))),
        ("the hash alone", padded(hash)),
        ("a byte short", padded(&right[..50])),
        ("a byte behind", padded(&[right, &[0]].concat())),
        (
            "the parameter left out",
            info(&|info| drop(info.splice(1..17, [0x2f, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]))),
        ),
        ("the parameter doubled", info(&|info| drop(info.splice(15..17, [5, 0, 5, 0])))),
        ("another algorithm named", info(&|info| drop(info.splice(5..15, [6, 5, 0x2b, 0x0e, 3, 2, 0x1a])))),
        ("the outer length in long form", info(&|info| drop(info.splice(1..2, [0x81, 0x31])))),
        ("the inner length in long form", info(&|info| drop(info.splice(3..4, [0x81, 0x0d])))),
        ("the length of the hash in long form", info(&|info| drop(info.splice(18..19, [0x81, 0x20])))),
        ("lengths without an end", info(&|info| info[1] = 0x80)),
        ("two zeros behind", padded(&[right, &[0, 0]].concat())),
        ("an end of contents behind", info(&|info| drop(info.splice(51..51, [0, 0])))),
        ("a zero before the hash", info(&|info| drop(info.splice(18..19, [0x21, 0])))),
        ("the identifier with a leading 80", info(&|info| drop(info.splice(5..6, [0x0a, 0x80])))),
    ]
}

/// A number whose cube begins like a short padding: it takes no private key at all.
fn cube_root(trial: &Trial) -> String {
    let kid = trial.cube()["kid"].clone();
    let input = trial.token().header("kid", kid).signing_input();
    let hash = digest(&SHA256, input.as_bytes());
    let mut target = [&[0, 1][..], &[0xff; 8], &[0], &SHA_256, hash.as_ref()].concat();
    target.resize(256, 0xff);
    let root = BigUint::from_bytes_be(&target).nth_root(3).to_bytes_be();
    jwt::with_signature(&input, &[vec![0; 256 - root.len()], root].concat())
}
