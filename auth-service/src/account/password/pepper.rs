//! Peppers: keys that every hash is made with and that are not in the database, so that a stolen copy of it tells nothing
//! about any password.

use std::fmt;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretSlice};

const LENGTH: usize = 32;
const ID_LENGTH: usize = 6;

/// The peppers of the settings: the first goes into new hashes, all verify.
#[derive(Clone, Default)]
pub struct Peppers(Vec<Pepper>);

#[derive(Clone)]
pub(super) struct Pepper {
    id: [u8; ID_LENGTH],
    key: SecretSlice<u8>,
}

impl Peppers {
    /// Reads peppers of 32 random bytes each in base64, separated by commas.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = |item: &str| {
            let bytes = BASE64_STANDARD.decode(item.trim()).ok().filter(|bytes| bytes.len() == LENGTH);
            bytes.map(Pepper::new).ok_or_else(|| {
                "expected 32 random bytes in base64 (`openssl rand -base64 32`), several separated by commas".to_owned()
            })
        };
        text.split(',').map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The one for new hashes.
    pub(super) fn current(&self) -> Option<&Pepper> {
        self.0.first()
    }

    /// The one that a hash names.
    pub(super) fn by_id(&self, id: &[u8]) -> Option<&Pepper> {
        self.0.iter().find(|pepper| pepper.id == id)
    }

    /// How the hashes of each are marked in a PHC string.
    pub(crate) fn marks(&self) -> Vec<String> {
        self.0.iter().map(|pepper| format!("{MARK}{}", base64::prelude::BASE64_STANDARD_NO_PAD.encode(pepper.id))).collect()
    }
}

/// What a peppered hash has in its PHC string.
pub(crate) const MARK: &str = ",keyid=";

impl Pepper {
    fn new(key: Vec<u8>) -> Self {
        let digest = digest::digest(&digest::SHA256, &[b"pepper id".as_slice(), &key].concat());
        let id = digest.as_ref()[..ID_LENGTH].try_into().expect("a SHA-256 is longer");
        Self { id, key: key.into() }
    }

    pub(super) const fn id(&self) -> &[u8] {
        &self.id
    }

    pub(super) fn key(&self) -> &[u8] {
        self.key.expose_secret()
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Peppers({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pepper_is_32_bytes_and_stays_out_of_logs() {
        let one = BASE64_STANDARD.encode([1; 32]);
        let two = Peppers::parse(&format!("{one}, {}", BASE64_STANDARD.encode([2; 32]))).unwrap();
        assert_eq!(format!("{two:?}"), "Peppers(2)");
        assert_eq!(two.marks()[0], Peppers::parse(&one).unwrap().marks()[0]);
        for bad in ["", "short", &BASE64_STANDARD.encode([1; 31]), &format!("{one},")] {
            assert!(Peppers::parse(bad).is_err(), "{bad}");
        }
    }
}
