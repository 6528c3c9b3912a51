//! What a body must not hold, whatever resource it is for.
//!
//! Looked for once, here, so that no handler, database or logger has to cope: nesting deep enough to exhaust a stack, forms
//! with more fields than any form of ours, the NUL character, which `PostgreSQL` cannot store and C libraries cut at, and
//! repeated members, of which two readers could take different ones.

use std::{borrow::Cow, cell::Cell, collections::HashSet, fmt};

use poem::http::Uri;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

/// The deepest nesting of arrays and objects.
const JSON_DEPTH: usize = 32;
/// The most fields in a form.
const FORM_FIELDS: usize = 64;

/// Why a body is not passed on, as told to the client.
pub(super) type Objection = &'static str;

const NUL: Objection = "The NUL character is not accepted.";

/// Objects to a path or query.
pub(super) fn inspect_uri(uri: &Uri) -> Result<(), Objection> {
    for part in [Some(uri.path()), uri.query()].into_iter().flatten() {
        if part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%') {
            continue;
        }
        let decoded = percent_decoded(part);
        if decoded.contains(&0) {
            return Err(NUL);
        }
        // A decoder would put U+FFFD in its place, and a handler look for something that nobody asked for.
        if str::from_utf8(&decoded).is_err() {
            return Err("The path and query must be UTF-8.");
        }
    }
    Ok(())
}

/// A `%` that two digits do not follow stands for itself, as it does for the decoders behind (WHATWG URL §1.3).
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let decoded = if byte == b'%' { after.get(..2).and_then(hexadecimal) } else { None };
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    bytes
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let value = digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?));
    value.and_then(|value| u8::try_from(value).ok())
}

/// Objects to a body by what its media type makes of it.
pub(super) fn inspect(media_type: &str, body: &[u8]) -> Result<(), Objection> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-www-form-urlencoded" => inspect_form(body),
        json if json.ends_with("json") => inspect_json(body),
        _ => Ok(()),
    }
}

fn inspect_form(body: &[u8]) -> Result<(), Objection> {
    if body.contains(&0) || body.windows(3).any(|window| window == b"%00") {
        return Err(NUL);
    }
    if body.split(|byte| *byte == b'&').count() > FORM_FIELDS {
        return Err("The form has too many fields.");
    }
    Ok(())
}

/// Follows just enough of JSON's syntax to know what is inside a string; the parser judges the rest.
fn inspect_json(body: &[u8]) -> Result<(), Objection> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (in_string, byte) {
            (_, b'"') => in_string = !in_string,
            (true, b'\\') => {
                if after.starts_with(b"u0000") {
                    return Err(NUL);
                }
                // The escaped character is not a quote that ends the string.
                rest = after.get(1..).unwrap_or_default();
            }
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > JSON_DEPTH {
                    return Err("The body is nested too deeply.");
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let is_repeated = Cell::new(false);
    let mut json = serde_json::Deserializer::from_slice(body);
    // Any other error is the parser's to tell.
    let _ = Unrepeated(&is_repeated).deserialize(&mut json);
    if is_repeated.get() { Err("A member of the body is given twice.") } else { Ok(()) }
}

/// Any JSON value, whose nesting is known to be bounded; notes whether an object in it has a member twice.
#[derive(Clone, Copy)]
struct Unrepeated<'a>(&'a Cell<bool>);

/// A member's name, borrowed from the body unless it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Unrepeated<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unrepeated<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(Name(name)) = map.next_key()? {
            if !names.insert(name) {
                self.0.set(true);
                return Err(A::Error::custom("a member is repeated"));
            }
            map.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(self)?.is_some() {}
        Ok(())
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(body: &str) -> Result<(), Objection> {
        inspect("application/json; charset=utf-8", body.as_bytes())
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(body: Vec<u8>) {
            let _ = inspect("application/json", &body);
            let _ = inspect("application/x-www-form-urlencoded", &body);
        }

        #[test]
        fn a_string_is_objected_to_only_for_nul(text: String) {
            let body = serde_json::json!({ "text": text }).to_string();
            prop_assert_eq!(json(&body).is_err(), text.contains('\0'));
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        assert_eq!(json(&format!("{}{}", "[".repeat(32), "]".repeat(32))), Ok(()));
        assert!(json(&"[".repeat(33)).is_err());
        assert!(json(&r#"{"a":"#.repeat(100_000)).is_err());
        assert_eq!(json(&"[],".repeat(1000)), Ok(()));
        assert_eq!(json(&format!(r#""{}""#, "[".repeat(1000))), Ok(()), "brackets in a string nest nothing");
        assert_eq!(json(&format!(r#""\"{}""#, "[".repeat(1000))), Ok(()), "an escaped quote ends no string");
    }

    #[test]
    fn nul_is_found_in_every_spelling() {
        assert!(json(r#"{"a":"x\u0000"}"#).is_err());
        assert_eq!(json(r#"{"a":"x\\u0000"}"#), Ok(()), "an escaped backslash followed by plain text");
        assert!(json(r#"{"a":"x\\\u0000"}"#).is_err());
        assert!(inspect("application/x-www-form-urlencoded", b"username=ada%00").is_err());
        assert!(inspect("application/x-www-form-urlencoded", b"username=ada\0").is_err());
        assert!(inspect_uri(&Uri::from_static("/documents/%00")).is_err());
        assert!(inspect_uri(&Uri::from_static("/documents?title=%00")).is_err());
        assert_eq!(inspect_uri(&Uri::from_static("/documents/%2500")), Ok(()));
    }

    #[test]
    fn a_path_and_a_query_are_utf_8() {
        for uri in ["/%ff", "/documents?owner=%ff", "/documents?%C0%AF", "/?a=%ED%A0%80", "/?a=%F0%9F%A6"] {
            assert!(inspect_uri(&Uri::from_static(uri)).is_err(), "{uri}");
        }
        for uri in ["/", "/%", "/%zz?%f", "/?a=%F0%9F%A6%80&b=%25ff", "/?%+1=%4"] {
            assert_eq!(inspect_uri(&Uri::from_static(uri)), Ok(()), "{uri}");
        }
    }

    #[test]
    fn a_repeated_member_is_found_at_any_depth_and_in_any_spelling() {
        for body in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"b":{"a":null,"c":[],"a":{}}}]"#, r#"{"":1,"":1}"#] {
            assert!(json(body).is_err(), "{body}");
        }
        for body in [r#"{"a":{"a":[{"a":1},{"a":1}]}}"#, r#"{"a":1,"A":1}"#, r#"{"a":"a","b":"a"}"#, r#"{"a":1"#, "{}{}"] {
            assert_eq!(json(body), Ok(()), "{body}");
        }
    }

    #[test]
    fn a_form_has_a_limited_number_of_fields() {
        let form = |fields: usize| vec!["a=b"; fields].join("&");
        assert_eq!(inspect("application/x-www-form-urlencoded", form(64).as_bytes()), Ok(()));
        assert!(inspect("Application/X-WWW-Form-Urlencoded", form(65).as_bytes()).is_err());
    }

    #[test]
    fn a_cut_body_is_left_to_the_parser() {
        assert_eq!(json("\"\\"), Ok(()));
        assert_eq!(json("\"\\u00"), Ok(()));
    }
}
