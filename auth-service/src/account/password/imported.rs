//! Hashes that people bring along from elsewhere: Argon2, bcrypt and PBKDF2, replaced at the first login.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};

use super::argon;

/// What a hash may demand of us, about half a second of work.
const MAX_BCRYPT_COST: u32 = 13;
const MAX_ITERATIONS: u32 = 2_000_000;
/// bcrypt reads no further. A longer password matches none of its hashes: what is not compared must not be let through.
const BCRYPT_BYTES: usize = 72;
const MAX_TEXT: usize = 512;

/// Why a hash was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImportError {
    /// Nothing that can be verified here.
    #[error(
        "the hash is none that can be imported: expected a PHC string of Argon2 or PBKDF2 ($argon2id$…, $pbkdf2-sha256$…, \
         $pbkdf2-sha512$…), bcrypt ($2a$, $2b$, $2y$) or Django's pbkdf2_sha256$…"
    )]
    Unknown,
    /// Every login would cost too much.
    #[error(
        "verifying the hash costs more than this service spends on a login: at most bcrypt cost {MAX_BCRYPT_COST}, \
         {MAX_ITERATIONS} iterations of PBKDF2, or Argon2 with 128 MiB, 16 passes and 8 lanes"
    )]
    TooDear,
    /// It was made with a key that is not part of it.
    #[error("the hash was made with a pepper; only hashes without one can be imported")]
    Peppered,
}

/// A hash of another kind than we make.
pub(super) enum Imported<'a> {
    Bcrypt(&'a str),
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, salt: Vec<u8>, output: Vec<u8> },
}

impl<'a> Imported<'a> {
    /// Reads bcrypt or PBKDF2.
    pub(super) fn parse(text: &'a str) -> Result<Self, ImportError> {
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            let parts: bcrypt::HashParts = text.parse().map_err(|_| ImportError::Unknown)?;
            return match parts.get_cost() {
                4..=MAX_BCRYPT_COST => Ok(Self::Bcrypt(text)),
                ..4 => Err(ImportError::Unknown),
                _ => Err(ImportError::TooDear),
            };
        }
        pbkdf2(text)
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => password.len() <= BCRYPT_BYTES && bcrypt::verify(password, hash).unwrap_or(false),
            Self::Pbkdf2 { algorithm, iterations, salt, output } => {
                pbkdf2::verify(*algorithm, *iterations, salt, password, output).is_ok()
            }
        }
    }
}

/// Says whether a hash can be imported, and if not, why.
pub(super) fn check(text: &str) -> Result<(), ImportError> {
    if text.len() > MAX_TEXT {
        return Err(ImportError::Unknown);
    }
    if text.starts_with("$argon2") {
        return match argon::Stored::parse(text) {
            Some(stored) if stored.is_peppered() => Err(ImportError::Peppered),
            Some(_) => Ok(()),
            None if argon2::password_hash::phc::PasswordHash::new(text).is_ok() => Err(ImportError::TooDear),
            None => Err(ImportError::Unknown),
        };
    }
    Imported::parse(text).map(|_| ())
}

/// `$pbkdf2-sha256$i=600000,l=32$salt$hash` (PHC), `$pbkdf2-sha256$29000$salt$hash` (passlib, with `.` for `+`) or
/// `pbkdf2_sha256$600000$salt$hash` (Django, whose salt is the text itself).
fn pbkdf2<'a>(text: &str) -> Result<Imported<'a>, ImportError> {
    let parts: Vec<&str> = text.split('$').collect();
    let (algorithm, iterations, salt, output) = match parts.as_slice() {
        ["pbkdf2_sha256", iterations, salt, output] => {
            (pbkdf2::PBKDF2_HMAC_SHA256, *iterations, Some(salt.as_bytes().to_vec()), BASE64_STANDARD.decode(output).ok())
        }
        ["", "pbkdf2-sha256", rounds, salt, output] => (pbkdf2::PBKDF2_HMAC_SHA256, *rounds, b64(salt), b64(output)),
        ["", "pbkdf2-sha512", rounds, salt, output] => (pbkdf2::PBKDF2_HMAC_SHA512, *rounds, b64(salt), b64(output)),
        _ => return Err(ImportError::Unknown),
    };
    let iterations = iterations.split(',').find_map(|part| part.strip_prefix("i=")).unwrap_or(iterations);
    let iterations: NonZeroU32 = iterations.parse().map_err(|_| ImportError::Unknown)?;
    let (Some(salt), Some(output)) = (salt, output) else { return Err(ImportError::Unknown) };
    if salt.is_empty() || !(16..=64).contains(&output.len()) {
        return Err(ImportError::Unknown);
    }
    if iterations.get() > MAX_ITERATIONS {
        return Err(ImportError::TooDear);
    }
    Ok(Imported::Pbkdf2 { algorithm, iterations, salt, output })
}

fn b64(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD_NO_PAD.decode(text.replace('.', "+")).ok()
}

/// A hash that is taken is short, of a kind that is known, and costs no more than a login may.
#[cfg(any(test, fuzzing))]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if check(text).is_err() {
        return;
    }
    assert!(text.len() <= MAX_TEXT);
    if text.starts_with("$argon2") {
        assert!(argon::Stored::parse(text).is_some_and(|stored| !stored.is_peppered()));
        return;
    }
    match Imported::parse(text) {
        Ok(hash @ Imported::Pbkdf2 { iterations, .. }) => {
            assert!(iterations.get() <= MAX_ITERATIONS);
            assert!(iterations.get() > 100 || !hash.verify(b"nobody's password"));
        }
        Ok(Imported::Bcrypt(hash)) => assert!(hash.starts_with("$2") && !hash.starts_with("$2x$")),
        Err(error) => panic!("it was taken before: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_another_program_verifies() {
        // From the test vectors of crypt_blowfish; `tests/it` has one of every kind.
        let bcrypt = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        assert!(Imported::parse(bcrypt).unwrap().verify(b"U*U"));
        assert!(!Imported::parse(bcrypt).unwrap().verify(b"U*V"));
    }

    #[test]
    fn what_cannot_be_verified_is_refused_with_the_reason() {
        for text in [
            "",
            "plain text",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$1$salt$hash",
            "$6$rounds=5000$salt$hash",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2b$05$short",
            "$argon2id$nonsense",
            "pbkdf2_sha1$1000$salt$c2hvcnRzaG9ydHNob3J0c2hvcnQ=",
            "pbkdf2_sha256$0$salt$c2hvcnRzaG9ydHNob3J0c2hvcnQ=",
            "pbkdf2_sha256$1000$salt$c2hvcnQ=",
            &"x".repeat(600),
        ] {
            assert_eq!(check(text), Err(ImportError::Unknown), "{text}");
        }
        for text in [
            "$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "pbkdf2_sha256$2000001$salt$c2hvcnRzaG9ydHNob3J0c2hvcnQ=",
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c2hvcnRzaG9ydHNob3J0c2hvcnQ",
        ] {
            assert_eq!(check(text), Err(ImportError::TooDear), "{text}");
        }
        let peppered = "$argon2id$v=19$m=64,t=2,p=1,keyid=AAAAAAAA$c29tZXNhbHRzb21lc2FsdA$c2hvcnRzaG9ydHNob3J0c2hvcnQ";
        assert_eq!(check(peppered), Err(ImportError::Peppered));
    }
}
