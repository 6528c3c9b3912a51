//! Sealing of secrets at rest under the master keys: AES-256-GCM, the first key seals, all unseal.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const KEY_LENGTH: usize = 32;
const KEY_ID_LENGTH: usize = 8;
const NONCE_LENGTH: usize = 12;

/// The master keys.
pub struct Sealer {
    keys: Vec<MasterKey>,
}

struct MasterKey {
    /// The beginning of the key's SHA-256: which key sealed something, without telling the key.
    id: [u8; KEY_ID_LENGTH],
    cipher: RandomizedNonceKey,
}

/// Why sealed bytes stay sealed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// None of the master keys at hand sealed it.
    #[error(
        "it was sealed with a master key that is not among AUTH_MASTER_KEYS (key {0}); add that key to the list, in second place or later"
    )]
    UnknownKey(String),
    /// The bytes were cut or altered, or belong to something else.
    #[error("the sealed bytes are damaged, or belong to another entry; restore them from a backup")]
    Damaged,
}

/// Why a list of master keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// One of the keys is not 32 bytes in base64.
    #[error(
        "a master key is {KEY_LENGTH} random bytes in base64, several are separated by commas: make one with `openssl rand -base64 32`"
    )]
    Format,
    /// The development key cannot be made or read.
    #[error("the master key file {path} cannot be used: {reason}")]
    File {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Sealer {
    /// Reads a list of base64 keys separated by commas.
    pub fn parse(list: &str) -> Result<Self, MasterKeyError> {
        let keys = list.split(',').map(|text| MasterKey::parse(text.trim())).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { keys })
    }

    /// Reads the key kept in a file, making it at the first start: for development only.
    pub fn keep_in(path: &Path) -> Result<Self, MasterKeyError> {
        let refuse = |reason: String| MasterKeyError::File { path: path.display().to_string(), reason };
        if !path.exists() {
            let mut key = Zeroizing::new([0; KEY_LENGTH]);
            aws_lc_rs::rand::fill(&mut *key).expect("the system's random source answers");
            let text = Zeroizing::new(BASE64_STANDARD.encode(*key));
            match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                Ok(mut file) => file.write_all(text.as_bytes()).map_err(|error| refuse(error.to_string()))?,
                // Somebody else starts at the same time: theirs is the key.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(refuse(error.to_string())),
            }
        }
        let mode = fs::metadata(path).map_err(|error| refuse(error.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 && path.is_file() {
            return Err(refuse(
                "others may read it; run `chmod 600` on it, and rotate the signing keys if anybody did".to_owned(),
            ));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?);
        Self::parse(text.trim()).map_err(|_| refuse("it does not hold 32 bytes in base64; restore it from a backup".to_owned()))
    }

    /// Seals a secret; `purpose` must be given again to unseal it.
    pub fn seal(&self, secret: &[u8], purpose: &str) -> Vec<u8> {
        let key = self.keys.first().expect("a list of master keys is never empty");
        let mut sealed = Zeroizing::new(secret.to_vec());
        let nonce = key
            .cipher
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut *sealed)
            .expect("AES-GCM seals anything short of gigabytes");
        [&[FORMAT], &key.id[..], nonce.as_ref(), &sealed[..]].concat()
    }

    /// Whether something was sealed with the first key, and so stays readable when the others are taken off the list.
    pub(crate) fn is_current(&self, sealed: &[u8]) -> bool {
        let first = self.keys.first().expect("a list of master keys is never empty");
        sealed.get(1..=KEY_ID_LENGTH).is_some_and(|id| id == first.id)
    }

    /// Opens what [`Self::seal`] sealed for this purpose.
    pub fn unseal(&self, sealed: &[u8], purpose: &str) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let (format, rest) = sealed.split_first().ok_or(UnsealError::Damaged)?;
        if *format != FORMAT || rest.len() < KEY_ID_LENGTH + NONCE_LENGTH {
            return Err(UnsealError::Damaged);
        }
        let (id, rest) = rest.split_at(KEY_ID_LENGTH);
        let (nonce, ciphertext) = rest.split_at(NONCE_LENGTH);
        let key = self.keys.iter().find(|key| key.id == id).ok_or_else(|| UnsealError::UnknownKey(hex(id)))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Damaged)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length =
            key.cipher.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut buffer).map_err(|_| UnsealError::Damaged)?.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl MasterKey {
    fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).map_err(|_| MasterKeyError::Format)?);
        if bytes.len() != KEY_LENGTH {
            return Err(MasterKeyError::Format);
        }
        let mut id = [0; KEY_ID_LENGTH];
        id.copy_from_slice(&digest::digest(&digest::SHA256, &bytes).as_ref()[..KEY_ID_LENGTH]);
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| MasterKeyError::Format)?;
        Ok(Self { id, cipher })
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(bytes: &[u8]) -> Sealer {
        let list: Vec<_> = bytes.iter().map(|byte| BASE64_STANDARD.encode([*byte; KEY_LENGTH])).collect();
        Sealer::parse(&list.join(",")).unwrap()
    }

    #[test]
    fn what_the_first_key_sealed_is_opened_by_it_in_any_place() {
        let sealed = sealer(&[1]).seal(b"secret", "purpose");
        assert_eq!(&**sealer(&[2, 1]).unseal(&sealed, "purpose").unwrap(), b"secret");
        assert!(sealer(&[1, 2]).is_current(&sealed));
        assert!(!sealer(&[2, 1]).is_current(&sealed));
    }

    #[test]
    fn another_key_another_purpose_and_altered_bytes_open_nothing() {
        let sealed = sealer(&[1]).seal(b"secret", "purpose");
        assert!(matches!(sealer(&[2]).unseal(&sealed, "purpose"), Err(UnsealError::UnknownKey(_))));
        assert_eq!(sealer(&[1]).unseal(&sealed, "other"), Err(UnsealError::Damaged));
        for index in (0..sealed.len()).filter(|index| !(1..=KEY_ID_LENGTH).contains(index)) {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert_eq!(sealer(&[1]).unseal(&altered, "purpose"), Err(UnsealError::Damaged), "byte {index}");
        }
        for length in 0..sealed.len() {
            assert_eq!(sealer(&[1]).unseal(&sealed[..length], "purpose"), Err(UnsealError::Damaged), "length {length}");
        }
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        for list in ["", "short", "AAAA", &format!("{},", BASE64_STANDARD.encode([1; KEY_LENGTH]))] {
            assert!(Sealer::parse(list).is_err(), "{list:?}");
        }
    }
}
