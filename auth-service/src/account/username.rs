//! What a username may be, and when two of them are the same.

use std::{fmt, str::FromStr};

const MIN_LENGTH: usize = 2;
const MAX_LENGTH: usize = 64;

/// A username as it is compared: lower case.
///
/// Only ASCII letters, digits and `.`, `_`, `-` are allowed, so that no two names that look alike, or fold into each
/// other under some Unicode rule, can belong to two people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Username(String);

/// The text cannot be a username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a username has {MIN_LENGTH} to {MAX_LENGTH} characters: ASCII letters, digits, and between them `.`, `_` or `-`")]
pub(crate) struct UsernameError;

impl Username {
    /// The canonical form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = UsernameError;

    fn from_str(text: &str) -> Result<Self, UsernameError> {
        let bytes = text.as_bytes();
        let is_edge_fine = |edge: Option<&u8>| edge.is_some_and(u8::is_ascii_alphanumeric);
        let is_fine = (MIN_LENGTH..=MAX_LENGTH).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
            && is_edge_fine(bytes.first())
            && is_edge_fine(bytes.last());
        if is_fine { Ok(Self(text.to_ascii_lowercase())) } else { Err(UsernameError) }
    }
}

impl fmt::Display for Username {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_make_another_name() {
        assert_eq!("Ada".parse::<Username>(), "ADA".parse());
    }

    #[test]
    fn names_that_look_like_others_are_refused() {
        for text in ["", "a", ".ada", "ada-", "ad a", "ada\0", "ada\n", "аda", "ａda", "ada\u{200b}", "ada\u{301}", "ada@example"]
        {
            assert_eq!(text.parse::<Username>(), Err(UsernameError), "{text:?}");
        }
        assert!("a".repeat(MAX_LENGTH).parse::<Username>().is_ok());
        assert!("a".repeat(MAX_LENGTH + 1).parse::<Username>().is_err());
    }
}
