//! `WWW-Authenticate`, read as strictly as a client may.

use std::collections::BTreeMap;

/// A challenge: what a client is told it needs (RFC 9110 §11.6.1).
#[derive(Debug)]
pub struct Challenge {
    scheme: String,
    attributes: BTreeMap<String, String>,
    takes_api_keys: bool,
}

impl Challenge {
    /// Reads a challenge whose attributes are all quoted; panics where it breaks RFC 6750 §3: an attribute twice, or a
    /// character that has no place in it.
    pub fn parse(header: &str) -> Self {
        let (header, second) = header.split_once(", APIKey ").map_or((header, None), |(first, second)| (first, Some(second)));
        let (scheme, mut rest) = header.split_once(' ').unwrap_or_else(|| panic!("no attributes: {header}"));
        let mut attributes = BTreeMap::new();
        while !rest.is_empty() {
            let (name, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("no quoted attribute: {header}"));
            let (value, behind) = behind.split_once('"').unwrap_or_else(|| panic!("an open quote: {header}"));
            assert!(value.bytes().all(is_plain), "a character that RFC 6750 §3 rules out: {header}");
            let before = attributes.insert(name.to_owned(), value.to_owned());
            assert!(before.is_none(), "`{name}` appears twice: {header}");
            rest = behind.strip_prefix(", ").unwrap_or(behind);
        }
        if let Some(second) = second {
            let realm = format!("realm=\"{}\"", attributes.get("realm").expect("the first challenge has a realm"));
            assert_eq!(second, realm, "a second challenge, which says no more than where API keys are good: {header}");
        }
        Self { scheme: scheme.to_owned(), attributes, takes_api_keys: second.is_some() }
    }

    /// The authentication scheme.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// One attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether a second challenge says that an API key would do, too.
    pub const fn takes_api_keys(&self) -> bool {
        self.takes_api_keys
    }

    /// The names of its attributes, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.attributes.keys().map(String::as_str).collect()
    }
}

/// Whether `error`, `error_description` and their like may hold this byte (RFC 6749 §5.2, RFC 6750 §3):
/// `%x20-21 / %x23-5B / %x5D-7E`.
pub(crate) const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}
