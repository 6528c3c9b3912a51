//! Which passwords may be set (NIST SP 800-63B-4 §3.1.1): long enough, and none that everybody tries first.
//!
//! There are no rules about kinds of characters, and a password does not age.

use std::collections::HashSet;

use super::{Busy, MAX_BYTES};
use crate::account::Username;

/// The passwords of eight characters and more among the 30,000 most common ones, in lower case (`common.LICENSE`).
const COMMON: &str = include_str!("common.txt");
const MAX_CODE_POINTS: usize = 256;
/// Patterns as long as this are on nobody's list.
const LONG: usize = 64;
const SERVICE: &str = "auth-service";
/// The shortest part of a host's name that counts as a word of its own.
const MIN_WORD: usize = 4;

/// Why a password cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NewPasswordError {
    #[error("the password has fewer than {0} characters")]
    TooShort(usize),
    #[error("the password has more than {MAX_CODE_POINTS} characters")]
    TooLong,
    #[error("the password is one of the most common ones, or a simple pattern")]
    Common,
    #[error("the password is little more than the username or the name of this service")]
    OwnName,
    #[error("the password contains a NUL character")]
    Nul,
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// What a new password is held against.
pub(crate) struct Policy {
    min_length: usize,
    common: HashSet<&'static str>,
    /// The names of the service, in lower case, the longest first.
    own_names: Vec<String>,
}

impl Policy {
    /// The policy of a service that people know by this URL.
    pub(crate) fn new(min_length: usize, issuer: &str) -> Self {
        let host = url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_lowercase)).unwrap_or_default();
        let parts = host.split('.').filter(|part| part.len() >= MIN_WORD);
        let mut own_names: Vec<String> = parts.chain([SERVICE, &*host]).map(ToOwned::to_owned).collect();
        own_names.retain(|name| !name.is_empty());
        own_names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self { min_length, common: COMMON.lines().collect(), own_names }
    }

    /// Whether a person of this name may have this password.
    pub(super) fn check(&self, password: &str, username: &Username) -> Result<(), NewPasswordError> {
        let code_points = password.chars().count();
        if code_points < self.min_length {
            return Err(NewPasswordError::TooShort(self.min_length));
        }
        if code_points > MAX_CODE_POINTS || password.len() > MAX_BYTES {
            return Err(NewPasswordError::TooLong);
        }
        if password.contains('\0') {
            return Err(NewPasswordError::Nul);
        }
        let folded = password.to_lowercase();
        if self.is_common(&folded) {
            return Err(NewPasswordError::Common);
        }
        if self.is_own_name(&folded, username) { Err(NewPasswordError::OwnName) } else { Ok(()) }
    }

    fn is_common(&self, folded: &str) -> bool {
        let letters: Vec<char> = folded.chars().collect();
        if self.common.contains(folded) {
            return true;
        }
        if letters.len() >= LONG {
            return false;
        }
        let unit = unit(&letters);
        let is_repeated = unit.len() < letters.len();
        is_run(&letters) || (is_repeated && (unit.len() < 8 || self.common.contains(&*unit.iter().collect::<String>())))
    }

    /// Whether the names of person and service make up more than half of it.
    fn is_own_name(&self, folded: &str, username: &Username) -> bool {
        let names = self.own_names.iter().map(String::as_str).chain([username.as_str()]);
        let rest = names.fold(folded.to_owned(), |rest, name| rest.replace(name, ""));
        rest.chars().count() * 2 < folded.chars().count()
    }
}

/// The shortest text that the whole is a repetition of.
fn unit(letters: &[char]) -> &[char] {
    let lengths = (1..=letters.len()).filter(|length| letters.len().is_multiple_of(*length));
    let repeats = |length: &usize| letters.chunks(*length).all(|chunk| chunk == &letters[..*length]);
    lengths.into_iter().find(repeats).map_or(letters, |length| &letters[..length])
}

/// Whether every character is the one behind the character before it, as in `abcdefgh` or `890123456789`.
fn is_run(letters: &[char]) -> bool {
    letters.windows(2).all(|pair| (pair[0] == '9' && pair[1] == '0') || u32::from(pair[0]) + 1 == u32::from(pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(min_length: usize, password: &str) -> Result<(), NewPasswordError> {
        Policy::new(min_length, "https://login.example.com").check(password, &"ada".parse().unwrap())
    }

    #[test]
    fn an_unacceptable_password_is_refused_with_the_reason() {
        assert_eq!(check(15, "fourteen chars"), Err(NewPasswordError::TooShort(15)));
        assert_eq!(check(15, &"p".repeat(257)), Err(NewPasswordError::TooLong));
        assert_eq!(check(15, &"🦀".repeat(257)), Err(NewPasswordError::TooLong));
        assert_eq!(check(15, "a long one with \0 in it"), Err(NewPasswordError::Nul));
        assert_eq!(check(15, &"🦀".repeat(64)), Ok(()));
        assert_eq!(check(15, &"🦀".repeat(256)), Ok(()));
    }

    #[test]
    fn every_common_password_is_refused_in_any_case() {
        let policy = Policy::new(8, "https://login.example.com");
        let username = "ada".parse().unwrap();
        assert!(COMMON.lines().count() >= 3000);
        for password in COMMON.lines() {
            assert_eq!(policy.check(password, &username), Err(NewPasswordError::Common), "{password}");
            assert_eq!(policy.check(&password.to_uppercase(), &username), Err(NewPasswordError::Common), "{password}");
        }
    }

    #[test]
    fn patterns_are_refused_while_they_are_short() {
        for password in ["aaaaaaaaaaaaaaa", "abcabcabcabcabc", "passwordpassword", "123456789012345", "abcdefghijklmnopq"] {
            assert_eq!(check(15, password), Err(NewPasswordError::Common), "{password}");
        }
        for password in ["correct horse battery staple", "abcabcabcabcabd", &"0123456789".repeat(12)] {
            assert_eq!(check(15, password), Ok(()), "{password}");
        }
    }

    #[test]
    fn names_of_person_and_service_are_no_password_but_may_be_part_of_one() {
        for password in
            ["ada-ADA-ada-ada", "auth-service123", "login.example.com", "login-example-login", "Ada@login.example.com"]
        {
            assert_eq!(check(15, password), Err(NewPasswordError::OwnName), "{password}");
        }
        assert_eq!(check(15, "my name is ADA indeed"), Ok(()));
        assert_eq!(check(15, "an example of a phrase"), Ok(()));
    }
}
