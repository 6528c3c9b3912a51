//! A member of a body that must be a JSON string.

use poem_openapi::{
    NewType,
    types::{ParseError, ParseFromJSON, ParseResult},
};
use serde_json::Value;

// poem-openapi's own `String` also takes a number or a boolean for a text, against what its schema says.
/// A text.
#[derive(Debug, NewType)]
#[oai(from_json = false, from_parameter = false, from_multipart = false, to_header = false)]
pub struct JsonString(
    /// The text.
    pub String,
);

impl ParseFromJSON for JsonString {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::String(text) => Ok(Self(text)),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_string_is_a_string() {
        assert!(JsonString::parse_from_json(Some(json!("1"))).is_ok());
        for value in [json!(1), json!(true), json!(null), json!([]), json!({})] {
            assert!(JsonString::parse_from_json(Some(value)).is_err());
        }
        assert!(JsonString::parse_from_json(None).is_err());
    }
}
