//! The parameters of a form-encoded request (RFC 6749 §3.2, Appendix B).

use std::{collections::BTreeMap, fmt};

use poem::http::{HeaderMap, header};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};

const MAX_PARAMETERS: usize = 64;
const FORM: &str = "application/x-www-form-urlencoded";

/// Parameters by name. An empty parameter is the same as none (RFC 6749 §3.2).
pub(super) struct Fields(BTreeMap<String, Vec<String>>);

impl Fields {
    /// A parameter that may come once.
    pub(super) fn one(&mut self, name: &str) -> Result<Option<String>, &'static str> {
        let mut values = self.many(name);
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err("a parameter is repeated") }
    }

    /// A parameter that may come several times.
    pub(super) fn many(&mut self, name: &str) -> Vec<String> {
        self.0.remove(name).unwrap_or_default()
    }

    /// Takes note that everything of interest has been taken: what nobody knows may still not be repeated.
    pub(super) fn finish(self) -> Result<(), &'static str> {
        if self.0.values().any(|values| values.len() > 1) { Err("a parameter is repeated") } else { Ok(()) }
    }
}

/// The parameters that name a token to be revoked or looked at, and the client that asks (RFC 7009 §2.1, RFC 7662 §2.1).
pub(super) struct TokenFields {
    pub(super) token: Option<String>,
    pub(super) token_type_hint: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
}

impl TryFrom<Fields> for TokenFields {
    type Error = &'static str;

    fn try_from(mut fields: Fields) -> Result<Self, &'static str> {
        let form = Self {
            token: fields.one("token")?,
            token_type_hint: fields.one("token_type_hint")?,
            client_id: fields.one("client_id")?,
            client_secret: fields.one("client_secret")?,
        };
        fields.finish()?;
        Ok(form)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("form parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut count = 0;
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            count += 1;
            if count > MAX_PARAMETERS {
                return Err(A::Error::custom("there are too many parameters"));
            }
            for text in [&name, &value] {
                if text.contains('\0') {
                    return Err(A::Error::custom("a parameter holds a NUL character"));
                }
                // The decoder puts U+FFFD where the bytes were not UTF-8; guessing what was meant would be worse.
                if text.contains(char::REPLACEMENT_CHARACTER) {
                    return Err(A::Error::custom("a parameter is not UTF-8"));
                }
            }
            // Only the first of several empty ones counts as omitted: a repetition stays one.
            let values = fields.entry(name).or_default();
            values.push(value);
        }
        for values in fields.values_mut() {
            if let [only] = values.as_slice()
                && only.is_empty()
            {
                values.clear();
            }
        }
        Ok(Fields(fields))
    }
}

/// The body must be what it is read as, in the one encoding that the RFC knows.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), &'static str> {
    const EXPECTED: &str = "the body must be application/x-www-form-urlencoded, in UTF-8";
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(EXPECTED) };
    let value = value.to_str().map_err(|_| EXPECTED)?;
    let (media_type, parameters) = value.split_once(';').unwrap_or((value, ""));
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"'))
    });
    let is_form = media_type.trim().eq_ignore_ascii_case(FORM);
    let is_utf8 = charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"));
    if is_form && is_utf8 { Ok(()) } else { Err(EXPECTED) }
}
