//! Secrets that the service makes: 256 random bits behind a prefix, kept as their SHA-256 only.

use aws_lc_rs::{constant_time, digest, rand};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

const LENGTH: usize = 32;

/// What a secret is for; the prefix lets scanners and people tell one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ClientSecret,
    RefreshToken,
    Invitation,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ClientSecret => "cs_",
            Self::RefreshToken => "rt_",
            Self::Invitation => "inv_",
        }
    }
}

/// A new secret.
pub(crate) fn make(kind: Kind) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    rand::fill(&mut *bytes).expect("the system's random source answers");
    from_bytes(kind, &bytes)
}

/// A new password for a person to type once: 120 random bits in groups of letters that are hard to confuse.
pub(crate) fn passphrase() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = Zeroizing::new([0_u8; 24]);
    rand::fill(&mut *bytes).expect("the system's random source answers");
    let letters = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect::<Vec<_>>();
    letters.chunks(6).map(String::from_iter).collect::<Vec<_>>().join("-")
}

/// The secret of these bytes.
pub(crate) fn from_bytes(kind: Kind, bytes: &[u8; LENGTH]) -> Zeroizing<String> {
    Zeroizing::new(format!("{}{}", kind.prefix(), BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

/// Whether a text has the form of such a secret, before anything is looked up.
pub(crate) fn is_well_formed(kind: Kind, text: &str) -> bool {
    text.strip_prefix(kind.prefix())
        .is_some_and(|rest| BASE64_URL_SAFE_NO_PAD.decode(rest).is_ok_and(|bytes| bytes.len() == LENGTH))
}

/// What is kept of a secret: its SHA-256, base64url. At 256 random bits a fast hash is enough.
pub(crate) fn digest(secret: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, secret.as_bytes()))
}

/// Whether two digests are the same, in a time that does not tell where they differ.
pub(crate) fn is_same_digest(left: &str, right: &str) -> bool {
    constant_time::verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_and_anything_near_it_is_not() {
        let secret = make(Kind::RefreshToken);
        assert!(is_well_formed(Kind::RefreshToken, &secret));
        assert!(!is_well_formed(Kind::ClientSecret, &secret));
        assert!(!is_well_formed(Kind::RefreshToken, &secret[..secret.len() - 1]));
        assert!(!is_well_formed(Kind::RefreshToken, &format!("{}=", &*secret)));
        assert!(!is_well_formed(Kind::RefreshToken, ""));
    }
}
