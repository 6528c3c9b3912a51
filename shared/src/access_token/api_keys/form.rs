//! What an API key looks like: `ask_<id>_<secret><checksum>`.
//!
//! The identifier may be known, the secret is 256 random bits, and the checksum tells a mistyped or made-up key from one
//! that could be good, before anybody is asked about it. Nothing in a key needs escaping, and a double click selects it.

use std::fmt;

use aws_lc_rs::digest;

/// What every key begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "ask_";
/// 128 bits in hexadecimal.
const ID_LENGTH: usize = 32;
/// 256 bits in hexadecimal.
const SECRET_LENGTH: usize = 64;
/// 32 bits in hexadecimal.
const CHECKSUM_LENGTH: usize = 8;
const LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;

/// A text that has the form of an API key, and the right checksum. Whether it is good is for the issuer to say.
#[derive(Clone, Copy)]
pub struct ApiKey<'a>(&'a str);

impl<'a> ApiKey<'a> {
    /// Reads a key; nothing if the text is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() != LENGTH || !text.is_ascii() {
            return None;
        }
        let (head, checksum) = text.split_at(LENGTH - CHECKSUM_LENGTH);
        let (id, secret) = head.strip_prefix(PREFIX)?.split_once('_')?;
        let is_formed = id.len() == ID_LENGTH && secret.len() == SECRET_LENGTH && [id, secret].into_iter().all(is_hexadecimal);
        (is_formed && checksum == checksum_of(head)).then_some(Self(text))
    }

    /// The key of this identifier, which begins with `ask_`, and this secret.
    pub fn compose(id: &str, secret: &[u8; SECRET_LENGTH / 2]) -> String {
        let head = format!("{id}_{}", hexadecimal(secret));
        let checksum = checksum_of(&head);
        head + &checksum
    }

    /// Whether this is the identifier of a key.
    pub fn is_id(text: &str) -> bool {
        text.strip_prefix(PREFIX).is_some_and(|id| id.len() == ID_LENGTH && is_hexadecimal(id))
    }

    /// Its identifier, under which its owner knows it.
    pub fn id(&self) -> &'a str {
        &self.0[..PREFIX.len() + ID_LENGTH]
    }

    /// Its last four characters, by which a person knows it again.
    pub fn last_four(&self) -> &'a str {
        &self.0[LENGTH - 4..]
    }

    /// The whole key: a secret.
    pub fn reveal(&self) -> &'a str {
        self.0
    }

    /// Its SHA-256: what may be kept of it.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        hash
    }
}

/// Names the key, and keeps its secret.
impl fmt::Debug for ApiKey<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("ApiKey").field(&self.id()).finish()
    }
}

fn checksum_of(head: &str) -> String {
    hexadecimal(&digest::digest(&digest::SHA256, head.as_bytes()).as_ref()[..CHECKSUM_LENGTH / 2])
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ask_0123456789abcdef0123456789abcdef";

    fn key() -> String {
        ApiKey::compose(ID, &[0xa5; 32])
    }

    #[test]
    fn a_key_says_which_one_it_is_and_never_its_secret() {
        let text = key();
        let key = ApiKey::parse(&text).unwrap();
        assert_eq!((key.id(), key.reveal()), (ID, text.as_str()));
        assert!(text.ends_with(key.last_four()) && key.last_four().len() == 4);
        assert!(ApiKey::is_id(ID) && !ApiKey::is_id(&text) && !ApiKey::is_id("ask_") && !ApiKey::is_id(&ID.to_uppercase()));
        assert!(!format!("{key:?}").contains("a5a5"));
    }

    #[test]
    fn a_ak_08_a_slip_anywhere_is_seen_before_anybody_is_asked() {
        let text = key();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert!(ApiKey::parse(str::from_utf8(&bytes).unwrap()).is_none(), "at {at}");
        }
    }

    #[test]
    fn a_ak_08_nothing_else_is_a_key() {
        let text = key();
        let others = [
            String::new(),
            "ask_".to_owned(),
            text[1..].to_owned(),
            text[..text.len() - 1].to_owned(),
            format!(" {text}"),
            format!("{text}\0"),
            text.to_uppercase(),
            text.replacen("ask_", "rt__", 1),
            text.replacen('0', "é", 2),
            "a".repeat(text.len()),
            "ask_".repeat(1 << 16),
        ];
        for other in others {
            assert!(ApiKey::parse(&other).is_none());
        }
    }
}
