//! JSON objects without ambiguity: no repeated member at any depth, and a bounded depth.
//!
//! RFC 7519 §4 lets a reader take the last of two equal members; two readers that choose differently can be played
//! against each other, so a repeated member is an error here, whether we know the member or not.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

/// How deep objects and arrays may nest in anything we read from a token or from the issuer.
const MAX_DEPTH: usize = 32;

/// The names of a JSON object's own members, known to be unique at every depth.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Members<'de>(HashSet<Cow<'de, str>>);

impl<'de> Members<'de> {
    /// Reads one JSON object in UTF-8 and nothing after it, and refuses repeated members and deep nesting.
    pub(super) fn read(json: &'de [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Whether the object has this member, even if its value is null.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Root;
        impl<'de> Visitor<'de> for Root {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                unique_members(map, MAX_DEPTH - 1).map(Members)
            }
        }
        deserializer.deserialize_map(Root)
    }
}

/// Walks an object whose values may nest `depth` levels further.
fn unique_members<'de, A: MapAccess<'de>>(mut map: A, depth: usize) -> Result<HashSet<Cow<'de, str>>, A::Error> {
    let mut names = HashSet::new();
    while let Some(Name(name)) = map.next_key()? {
        if !names.insert(name) {
            return Err(A::Error::custom("a member is repeated"));
        }
        map.next_value_seed(Within(depth))?;
    }
    Ok(names)
}

/// A member's name, borrowed from the input unless it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Any JSON value that nests at most this many levels.
struct Within(usize);

impl<'de> DeserializeSeed<'de> for Within {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Within {
    fn deeper<E: Error>(self) -> Result<usize, E> {
        self.0.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> Visitor<'de> for Within {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        while seq.next_element_seed(Within(depth))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        unique_members(map, self.deeper()?).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_collected_even_when_escaped_or_null() {
        let members = Members::read(br#"{"a":null,"\u0062":[{"a":1}]}"#).unwrap();
        assert!(members.contains("a") && members.contains("b") && !members.contains("c"));
    }

    #[test]
    fn a_repeated_member_is_refused_at_any_depth() {
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":{"a":1,"a":2}}"#, r#"{"x":[{"a":1,"a":2}]}"#] {
            assert!(Members::read(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn only_one_utf_8_object_is_read() {
        for json in ["[]", "\"a\"", "1", "null", "", "{}{}", "{} x", "\u{feff}{}", "{\"a\":1,}"] {
            assert!(Members::read(json.as_bytes()).is_err(), "{json:?}");
        }
        assert!(Members::read(b"{\"a\":\"\xff\"}").is_err());
        assert!(Members::read(b"{\0\"\0a\0\"\0:\x001\0}\0").is_err());
        assert!(Members::read(b" {} \n").is_ok());
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Members::read(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert!(Members::read(nested(MAX_DEPTH).as_bytes()).is_err());
        assert!(Members::read(nested(100_000).as_bytes()).is_err());
    }
}
