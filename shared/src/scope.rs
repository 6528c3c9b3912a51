//! A set of scope tokens (RFC 6749 §3.3).

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most scope tokens one set may hold.
pub const MAX_TOKENS: usize = 128;

/// A set of scope tokens: order and repetition carry no meaning, case does (RFC 6749 §3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<String>);

/// Why a text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A token holds a character outside `%x21 / %x23-5B / %x5D-7E`, or nothing at all.
    #[error("a scope token is made of printable ASCII without space, double quote and backslash")]
    Syntax,
    /// There are more than [`MAX_TOKENS`] tokens.
    #[error("a scope holds at most {MAX_TOKENS} tokens")]
    TooMany,
}

impl Scope {
    /// Collects scope tokens, each checked.
    pub fn from_tokens<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Result<Self, ScopeError> {
        let mut set = BTreeSet::new();
        for token in tokens {
            let token = token.into();
            if !is_token(&token) {
                return Err(ScopeError::Syntax);
            }
            set.insert(token);
            if set.len() > MAX_TOKENS {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(set))
    }

    /// Whether there is no token in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many tokens it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds this token, compared exactly.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether it holds every token of `other`.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// The tokens that both hold.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The tokens that either holds.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The tokens that `other` lacks.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// The tokens in sorted order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

impl FromStr for Scope {
    type Err = ScopeError;

    /// Reads tokens separated by single spaces; an empty text is an empty scope.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::from_tokens(text.split(' '))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.iter().enumerate() {
            if index > 0 {
                out.write_str(" ")?;
            }
            out.write_str(token)?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A scope that is taken survives being written down, and is made of what a scope may be made of.
#[cfg(any(test, fuzzing))]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(scope) = text.parse::<Scope>() else { return };
    let written = scope.to_string();
    assert_eq!(written.parse::<Scope>().as_ref(), Ok(&scope));
    assert!(scope.len() <= MAX_TOKENS && scope.iter().all(is_token));
    assert!(text.split(' ').all(|token| token.is_empty() || scope.contains(token)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_if_13_scopes() {
        crate::mutations::hold("scope", fuzz);
    }

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn order_and_repetition_do_not_matter_and_case_does() {
        assert_eq!(scope("b a b"), scope("a b"));
        assert_ne!(scope("A"), scope("a"));
        assert_eq!(scope("b a").to_string(), "a b");
    }

    #[test]
    fn a_token_outside_the_grammar_is_refused() {
        for text in ["a  b", " a", "a ", "a\"b", "a\\b", "a\tb", "a\r\nb", "a\0b", "é", "\u{7f}"] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError::Syntax), "{text:?}");
        }
    }

    #[test]
    fn too_many_tokens_are_refused() {
        let many = (0..=MAX_TOKENS).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(many.parse::<Scope>(), Err(ScopeError::TooMany));
    }

    #[test]
    fn sets_meet_join_and_differ() {
        let (left, right) = (scope("a b c"), scope("b c d"));
        assert_eq!(left.intersection(&right), scope("b c"));
        assert_eq!(left.union(&right), scope("a b c d"));
        assert_eq!(left.difference(&right), scope("a"));
        assert!(left.contains_all(&scope("a c")));
        assert!(!left.contains_all(&scope("a d")));
        assert!(left.contains_all(&Scope::default()));
    }
}
