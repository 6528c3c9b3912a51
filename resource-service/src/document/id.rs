//! The identifier of a document.

use std::fmt;

use uuid::Uuid;

const PREFIX: &str = "doc_";

/// `doc_` and a UUID of version 7 in 32 lower-case hexadecimal digits: sorted by id, documents are sorted by age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentId(String);

impl DocumentId {
    /// A new identifier.
    pub(crate) fn generate() -> Self {
        Self(format!("{PREFIX}{}", Uuid::now_v7().simple()))
    }

    /// An identifier as a caller writes it; nothing if it could not be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_simple = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_simple.then(|| Self(text.to_owned()))
    }

    /// An identifier that comes from our own table.
    pub(super) fn kept(id: String) -> Self {
        Self(id)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_can_be_parsed_and_sorts_by_age() {
        let ids: Vec<_> = (0..100).map(|_| DocumentId::generate().to_string()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| DocumentId::parse(id).is_some()));
    }

    #[test]
    fn anything_else_is_no_identifier() {
        let good = DocumentId::generate().to_string();
        for text in
            ["", "doc_", &good[4..], &good.to_uppercase(), &good[..35], &format!("{good}0"), "doc_\0", "doc_../../etc/passwd"]
        {
            assert_eq!(DocumentId::parse(text), None, "{text:?}");
        }
    }
}
