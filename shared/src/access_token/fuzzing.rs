//! What must hold for any input of the parsers of this module: the bodies of the fuzz targets of `fuzz/`, and of the tests
//! below, which run them on stable Rust.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use serde_json::Value;

use super::{
    ACCESS_TOKEN_TYPE, AccessTokenVerifier, ApiKey, KeySet, MAX_KEYS, compact::Compact, key_set::is_key_id,
    status_list::StatusList, strict_json::Members, verifier::read_claims,
};

/// Signed with a key whose private half was never kept: nobody has another good token.
const GOOD: &str = include_str!("../../../fuzz/fixed/token.jwt");
const JWKS: &str = include_str!("../../../fuzz/fixed/jwks.json");
/// In the middle of its life.
const NOW: i64 = 1_800_000_300;
/// The longest list, decompressed, that is read here.
const LONGEST_LIST: usize = 1 << 16;

static VERIFIER: LazyLock<AccessTokenVerifier> = LazyLock::new(|| {
    let keys = KeySet::from_jwks(JWKS.as_bytes()).expect("the key set is good");
    let verifier = AccessTokenVerifier::with_local_keys(
        "https://auth.example",
        "https://api.example",
        Arc::new(ArcSwap::from_pointee(keys)),
    );
    assert!(is_accepted(&verifier, GOOD), "the token is good, and remembered from here on");
    verifier
});

fn is_accepted(verifier: &AccessTokenVerifier, token: &str) -> bool {
    verifier.verify_at(token, NOW).now_or_never().expect("with keys at hand there is nothing to wait for").is_ok()
}

/// No token is accepted but the good one, to the byte. The first byte says what the rest is: the text of a token (`T`), its
/// header, payload and signature before they are encoded, divided by NUL (`S`), or changes to letters of the good token
/// (`E`), each a place in two bytes and what its letter is combined with.
pub fn access_token(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let token = match kind {
        b'S' => {
            let segments = rest.splitn(3, |byte| *byte == 0);
            segments.map(|segment| BASE64_URL_SAFE_NO_PAD.encode(segment)).collect::<Vec<_>>().join(".").into_bytes()
        }
        b'E' => edited(rest),
        _ => rest.to_vec(),
    };
    let Ok(token) = String::from_utf8(token) else { return };
    assert_eq!(is_accepted(&VERIFIER, &token), token == GOOD, "{token}");
}

fn edited(edits: &[u8]) -> Vec<u8> {
    let mut token = GOOD.as_bytes().to_vec();
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % token.len();
        token[place] ^= edit[2];
    }
    token
}

/// A header that is taken says what a reader of any other make would find in it.
pub fn header(data: &[u8]) {
    let token = format!("{}..", BASE64_URL_SAFE_NO_PAD.encode(data));
    let Ok(compact) = Compact::parse(&token, ACCESS_TOKEN_TYPE) else { return };
    let header: Value = serde_json::from_slice(data).expect("a header that is taken is JSON");
    assert_eq!(header["alg"], compact.algorithm.name());
    assert_eq!(header["kid"], compact.key_id.as_str());
    assert!(is_key_id(&compact.key_id) && header.get("crit").is_none());
    let media_type = header["typ"].as_str().expect("a type").to_ascii_lowercase();
    assert!(["at+jwt", "application/at+jwt"].contains(&&*media_type));
}

/// Claims that are taken say what a reader of any other make would find in them, and survive being written down.
pub fn claims(data: &[u8]) {
    let Ok(claims) = read_claims(data) else { return };
    let plain: Value = serde_json::from_slice(data).expect("claims that are taken are JSON");
    for (name, value) in [("iss", &claims.iss), ("sub", &claims.sub), ("client_id", &claims.client_id), ("jti", &claims.jti)] {
        assert_eq!(plain[name], value.as_str(), "{name}");
    }
    for (name, value) in [("iat", claims.iat), ("exp", claims.exp)] {
        assert_eq!(plain[name].as_i64(), Some(value), "{name}");
    }
    assert!(claims.cnf.is_none() && plain.get("cnf").is_none());
    let written = serde_json::to_vec(&claims).expect("claims can be written");
    assert_eq!(read_claims(&written).expect("what was written can be read"), claims);
}

/// An object that is taken is one for every reader, with the same members, none of them twice.
pub fn strict_json(data: &[u8]) {
    let Ok(members) = Members::read(data) else { return };
    let plain: Value = serde_json::from_slice(data).expect("what is taken is JSON");
    let plain = plain.as_object().expect("and an object");
    assert!(plain.keys().all(|name| members.contains(name)));
    assert_eq!(members, Members::read(&serde_json::to_vec(plain).expect("JSON can be written")).expect("and read"));
}

/// A key set that is taken has keys with acceptable IDs, and none of them takes what nobody signed.
pub fn key_set(data: &[u8]) {
    let Ok(keys) = KeySet::from_jwks(data) else { return };
    assert!((1..=MAX_KEYS).contains(&keys.len()));
    for id in keys.ids() {
        let key = keys.get(id).expect("an ID that the set names");
        assert!(is_key_id(id) && key.id() == id);
        for signature in [&[][..], &[0; 64], &[0xff; 64], &[0; 256], &[0xff; 256]] {
            assert!(!key.holds(b"message", signature), "{id}");
        }
    }
}

/// A list that is taken is as long as it may be, has a status at each of its places and no other, and survives being
/// written down. The first byte is how many bits a status takes, the rest the compressed list.
pub fn status_list(data: &[u8]) {
    let Some((bits, compressed)) = data.split_first() else { return };
    let Ok(list) = StatusList::from_lst(*bits, &BASE64_URL_SAFE_NO_PAD.encode(compressed), LONGEST_LIST) else { return };
    assert!(list.size() <= LONGEST_LIST * 8 / usize::from(*bits));
    let size = list.size() as u64;
    assert!(list.get(size).is_none() && list.get(u64::MAX).is_none());
    assert!((0..size).rev().take(64).all(|place| list.get(place).is_some_and(|status| u16::from(status) < 1 << bits)));
    assert_eq!(StatusList::from_lst(*bits, &list.to_lst(), LONGEST_LIST).expect("what was written can be read"), list);
}

/// A key that is taken is made of its own identifier and secret, and of nothing else.
pub fn api_key(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Some(key) = ApiKey::parse(text) else { return };
    let secret = &text.as_bytes()[key.id().len() + 1..][..64];
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).expect("hexadecimal")).expect("four bits");
    let secret: Vec<u8> = secret.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    assert!(ApiKey::is_id(key.id()) && text.ends_with(key.last_four()));
    assert_eq!(ApiKey::compose(key.id(), &secret.try_into().expect("32 bytes")), text);
}

#[cfg(test)]
mod tests {
    use crate::mutations::hold;

    #[test]
    fn a_if_13_no_mutation_of_a_token_is_accepted() {
        hold("access_token", super::access_token);
    }

    #[test]
    fn a_if_13_headers() {
        hold("header", super::header);
    }

    #[test]
    fn a_if_13_claims() {
        hold("claims", super::claims);
    }

    #[test]
    fn a_if_13_json_of_tokens_and_issuers() {
        hold("strict_json", super::strict_json);
    }

    #[test]
    fn a_if_13_key_sets() {
        hold("key_set", super::key_set);
    }

    #[test]
    fn a_if_13_status_lists() {
        hold("status_list", super::status_list);
    }

    #[test]
    fn a_if_13_api_keys() {
        hold("api_key", super::api_key);
    }
}
