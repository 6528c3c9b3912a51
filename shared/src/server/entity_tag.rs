//! `ETag`, `If-Match` and `If-None-Match`: which version of a thing a caller has seen (RFC 9110 §8.8.3, §13.1).

use super::problem::Malformed;

/// The version a thing must have for a change to go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Whichever it has.
    None,
    /// One of these.
    Versions(Vec<i64>),
}

impl Precondition {
    /// Reads what `If-Match` demands, if it was sent.
    pub fn read(if_match: Option<&str>) -> Result<Self, Malformed> {
        Ok(EntityTags::read("If-Match", if_match)?.map_or(Self::None, EntityTags::into_precondition))
    }

    /// Whether a thing in this version may be changed.
    pub fn holds_for(&self, version: i64) -> bool {
        match self {
            Self::None => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// The entity tag of a thing in this version.
pub fn entity_tag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The entity tags that a condition lists.
#[derive(Debug, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: whichever there is.
    Any,
    /// Those that could be ours.
    Listed(Vec<EntityTag>),
}

/// An entity tag that could be ours.
#[derive(Debug, PartialEq, Eq)]
pub struct EntityTag {
    is_weak: bool,
    version: i64,
}

impl EntityTags {
    /// Reads the value of this header, if there is one.
    pub fn read(header: &'static str, value: Option<&str>) -> Result<Option<Self>, Malformed> {
        value.map(|value| Self::parse(value).ok_or(Malformed(header))).transpose()
    }

    /// Reads `*` or `#( [ "W/" ] DQUOTE *etagc DQUOTE )`; nothing if it is neither.
    fn parse(text: &str) -> Option<Self> {
        const SPACE: [char; 2] = [' ', '\t'];
        let mut rest = text.trim_matches(SPACE);
        if rest == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        while !rest.is_empty() {
            let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
            let (opaque, behind) = quoted.strip_prefix('"')?.split_once('"')?;
            tags.extend(version(opaque).map(|version| EntityTag { is_weak, version }));
            let behind = behind.trim_start_matches(SPACE);
            rest = match behind.strip_prefix(',') {
                Some(next) => next.trim_start_matches(SPACE),
                None if behind.is_empty() => behind,
                None => return None,
            };
        }
        Some(Self::Listed(tags))
    }

    /// What `If-Match` demands: a weak tag matches nothing (RFC 9110 §13.1.1).
    pub fn into_precondition(self) -> Precondition {
        match self {
            Self::Any => Precondition::None,
            Self::Listed(tags) => Precondition::Versions(tags.iter().filter(|tag| !tag.is_weak).map(|tag| tag.version).collect()),
        }
    }

    /// Whether `If-None-Match` names this version: a weak tag does too (RFC 9110 §13.1.2).
    pub fn names(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| tag.version == version),
        }
    }
}

/// The version in an opaque tag, if we could have made it.
fn version(opaque: &str) -> Option<i64> {
    opaque.parse().ok().filter(|version: &i64| version.to_string() == opaque)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demanded(text: &str) -> Option<Precondition> {
        EntityTags::parse(text).map(EntityTags::into_precondition)
    }

    #[test]
    fn if_match_takes_one_tag_a_list_or_a_star() {
        assert_eq!(demanded("*"), Some(Precondition::None));
        assert_eq!(demanded(&entity_tag(3)), Some(Precondition::Versions(vec![3])));
        assert_eq!(demanded(" \"1\" ,\t\"2\","), Some(Precondition::Versions(vec![1, 2])));
    }

    #[test]
    fn a_tag_that_is_not_ours_matches_nothing() {
        for text in ["\"\"", "\"03\"", "\"+3\"", "\"a,b\"", "\"99999999999999999999\"", "W/\"3\""] {
            assert_eq!(demanded(text), Some(Precondition::Versions(vec![])), "{text}");
        }
    }

    #[test]
    fn a_weak_tag_still_names_the_version_for_reading() {
        assert!(EntityTags::parse("W/\"3\"").is_some_and(|tags| tags.names(3)));
        assert!(!EntityTags::parse("\"3\"").is_some_and(|tags| tags.names(4)));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for text in ["3", "\"3", "\"1\"\"2\"", "\"1\" \"2\"", "w/\"1\"", "*, \"1\"", "\"1\", *"] {
            assert_eq!(EntityTags::parse(text), None, "{text}");
        }
    }
}
