//! A.JV-25: signatures over encodings that are almost those of RFC 8017 §9.2, made with the right private key.

use aws_lc_rs::digest;
use rsa::{
    BigUint, RsaPrivateKey,
    pkcs8::DecodePrivateKey,
    traits::{PrivateKeyParts, PublicKeyParts},
};

use super::*;

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

fn input() -> String {
    let token = good();
    token.rsplit_once('.').unwrap().0.to_owned()
}

#[tokio::test]
async fn jv_25_an_encoding_is_exactly_right_or_wrong() {
    let private = RsaPrivateKey::from_pkcs8_der(&key().pkcs8()).unwrap();
    let input = input();
    let hash = digest::digest(&digest::SHA256, input.as_bytes());
    let hash = hash.as_ref();
    let right = [&SHA_256, hash].concat();
    let changed = |index: usize, value: u8| {
        let mut encoded = padded(&right);
        encoded[index] = value;
        encoded
    };
    let info = |replace: fn(&mut Vec<u8>)| {
        let mut info = right.clone();
        replace(&mut info);
        padded(&info)
    };
    let separator = 256 - right.len() - 1;
    // Eight bytes of padding, and the rest of the room for the forger (Bleichenbacher 2006).
    let mut short = [&[0, 1][..], &[0xff; 8], &[0], &right].concat();
    short.resize(256, 0x5a);
    let mut garbage_inside = right.clone();
    garbage_inside.splice(15..17, [&[0x05, 0x80 + 1, 100][..], &[0x5a; 100]].concat());
    let wrong = vec![
        vec![0; 256],
        changed(0, 1),
        changed(1, 0),
        changed(1, 2),
        changed(2, 0xfe),
        changed(2, 0),
        changed(separator - 1, 0),
        changed(separator - 1, 0xfe),
        changed(separator, 0xff),
        changed(separator, 1),
        changed(255, hash[31] ^ 1),
        short,
        padded(&garbage_inside),
        padded(hash),
        padded(&right[..50]),
        padded(&[&right[..], &[0]].concat()),
        // The parameter left out, doubled, of another type; another hash named; lengths in long form or wrong.
        info(|info| drop(info.splice(1..17, [0x2f, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]))),
        info(|info| drop(info.splice(15..17, [5, 0, 5, 0]))),
        info(|info| info[15] = 4),
        info(|info| info[14] = 2),
        info(|info| info[14] = 4),
        info(|info| drop(info.splice(5..15, [6, 5, 0x2b, 0x0e, 3, 2, 0x1a]))),
        info(|info| drop(info.splice(1..2, [0x81, 0x31]))),
        info(|info| drop(info.splice(3..4, [0x81, 0x0d]))),
        info(|info| drop(info.splice(18..19, [0x81, 0x20]))),
        info(|info| info[18] = 0x1f),
        info(|info| info[1] = 0x32),
        info(|info| info[0] = 0x31),
        info(|info| info[17] = 3),
    ];
    let sign = |encoded: &[u8]| {
        let signed = BigUint::from_bytes_be(encoded).modpow(private.d(), private.n()).to_bytes_be();
        let signed = [vec![0; 256 - signed.len()], signed].concat();
        format!("{input}.{}", base64url(signed))
    };
    let mut rows: Vec<Row> = vec![("A.JV-25", sign(&padded(&right)), None)];
    rows.extend(wrong.iter().map(|encoded| ("A.JV-25", sign(encoded), Some("signature"))));
    check(rows).await;
}

#[tokio::test]
async fn jv_25_a_cube_root_is_no_signature_even_for_an_exponent_of_three() {
    let mut jwk = key().jwk();
    jwk["e"] = json!("Aw");
    let keys = Arc::new(ArcSwap::from_pointee(KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap()));
    let verifier = AccessTokenVerifier::with_local_keys(ISSUER, RESOURCE, keys);
    let input = input();
    let hash = digest::digest(&digest::SHA256, input.as_bytes());
    // A cube that begins like a short padding: its root needs no private key at all.
    let mut target = [&[0, 1][..], &[0xff; 8], &[0], &SHA_256, hash.as_ref()].concat();
    let begin = target.clone();
    target.resize(256, 0xff);
    let root = BigUint::from_bytes_be(&target).nth_root(3);
    let cube = [&[0][..], &(&root * &root * &root).to_bytes_be()].concat();
    assert!(cube.starts_with(&begin), "the forgery is a forgery");
    let root = root.to_bytes_be();
    let signature = [vec![0; 256 - root.len()], root].concat();
    let outcome = verifier.verify(&format!("{input}.{}", base64url(signature))).await;
    assert_eq!(outcome.unwrap_err().code(), "signature", "A.JV-25");
}
