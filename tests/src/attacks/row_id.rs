//! The name of a row, as it stands in texts and in the names of tests.

use std::fmt;

/// The name of a row of the catalogue, such as `A.TE-04`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(String);

impl RowId {
    /// Reads a name that stands alone.
    pub fn parse(text: &str) -> Option<Self> {
        let (group, number) = text.strip_prefix("A.")?.split_once('-')?;
        Self::of(group, number)
    }

    /// Every name in a text, such as a comment.
    pub fn all_in(text: &str) -> Vec<Self> {
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-')));
        words.filter_map(|word| Self::parse(word.trim_end_matches(['.', '-']))).collect()
    }

    /// Every name in the name of a test: `a_te_04` at its beginning, or between others there.
    pub fn all_of_test(name: &str) -> Vec<Self> {
        let words: Vec<_> = name.split('_').collect();
        let three = words.windows(3).filter(|three| three[0] == "a" && three[1].bytes().all(|byte| byte.is_ascii_lowercase()));
        three.filter_map(|three| Self::of(&three[1].to_ascii_uppercase(), three[2])).collect()
    }

    fn of(group: &str, number: &str) -> Option<Self> {
        let is_group = group.len() == 2 && group.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_number = number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
        (is_group && is_number).then(|| Self(format!("A.{group}-{number}")))
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for RowId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
