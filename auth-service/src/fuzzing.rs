//! What must hold for any input of this service's own parsers: the bodies of the fuzz targets of `fuzz/`, and of the tests
//! below, which run them on stable Rust.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{account::Username, clock, seal::Sealer};

pub use crate::{
    account::fuzz_password_hash as password_hash,
    http::oauth::fuzzing::{basic, takes_token_form, token_form},
};

/// `a secret of the service`, sealed for `fuzzing` under a key of sevens.
const SEALED: &[u8] = include_bytes!("../../fuzz/fixed/sealed");

static SEALER: LazyLock<Sealer> = LazyLock::new(|| Sealer::parse(&BASE64_STANDARD.encode([7; 32])).expect("a key of 32 bytes"));

/// Nothing opens but what was sealed, to the byte.
pub fn sealed(data: &[u8]) {
    let opened = SEALER.unseal(data, "fuzzing").ok();
    assert_eq!(opened.is_some(), data == SEALED);
    assert!(SEALER.unseal(data, "another purpose").is_err());
    assert!(opened.is_none_or(|secret| **secret == *b"a secret of the service"));
}

/// An instant that is taken is the same again when it is written down.
pub fn date(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for instant in [clock::parse_rfc3339(text), clock::parse_http_date(text)].into_iter().flatten() {
        assert_eq!(clock::parse_rfc3339(&clock::rfc3339(instant)), Some(instant));
    }
}

/// A name that is taken is canonical once it is, and has nothing in it that looks like something else.
pub fn username(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(name) = text.parse::<Username>() else { return };
    assert_eq!(name.as_str().parse().as_ref(), Ok(&name));
    assert!(name.as_str().eq_ignore_ascii_case(text) && text.is_ascii());
}

#[cfg(test)]
mod tests {
    use crate::mutations::hold;

    #[test]
    fn a_if_13_forms() {
        hold("token_form", super::token_form);
    }

    #[test]
    fn a_if_13_basic_credentials() {
        hold("basic", super::basic);
    }

    #[test]
    fn a_if_13_sealed_secrets() {
        hold("sealed", super::sealed);
    }

    #[test]
    fn a_if_13_password_hashes() {
        hold("password_hash", super::password_hash);
    }

    #[test]
    fn a_if_11_a_if_13_dates() {
        hold("date", super::date);
    }

    #[test]
    fn a_if_13_usernames() {
        hold("username", super::username);
    }
}
