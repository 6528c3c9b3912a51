//! The `WWW-Authenticate` header, the only place where one is made for bearer tokens (RFC 6750 §3).

use std::time::Duration;

use poem::http::HeaderValue;

use super::Refusals;

/// What every challenge of one resource says: its realm, and where its metadata is (RFC 9728 §5.1). It counts them, too.
#[derive(Clone, Debug)]
pub(super) struct ProtectionSpace {
    realm: String,
    resource_metadata: Option<String>,
    takes_api_keys: bool,
    pub(super) refusals: Refusals,
}

/// The further attributes of a challenge.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    /// The error code: absent when there were no credentials at all.
    pub(super) error: Option<&'static str>,
    /// What a developer should know.
    pub(super) description: Option<String>,
    /// The scope that would do.
    pub(super) scope: Option<&'a str>,
    /// How long ago the login may be (RFC 9470 §3).
    pub(super) max_age: Option<Duration>,
    /// Whether other credentials would do, so that it is worth saying of which kinds.
    pub(super) is_open: bool,
}

impl ProtectionSpace {
    /// Keeps what a challenge may say of the texts given.
    pub(super) fn new(realm: &str, resource_metadata: Option<String>) -> Self {
        let resource_metadata = resource_metadata.map(|url| quotable(&url));
        Self { realm: quotable(realm), resource_metadata, takes_api_keys: false, refusals: Refusals::default() }
    }

    /// The same space, where API keys are good, too.
    pub(super) fn taking_api_keys(&self) -> Self {
        Self { takes_api_keys: true, ..self.clone() }
    }

    /// The same space, whose refusals are counted here.
    pub(super) fn counting(&self, refusals: &Refusals) -> Self {
        Self { refusals: refusals.clone(), ..self.clone() }
    }

    /// The value of the header: each attribute once, in a fixed order.
    pub(super) fn challenge(&self, attributes: &Attributes<'_>) -> HeaderValue {
        let mut value = format!("Bearer realm=\"{}\"", self.realm);
        let mut append = |name: &str, text: &str| value.extend([", ", name, "=\"", &quotable(text), "\""]);
        if let Some(error) = attributes.error {
            append("error", error);
        }
        if let Some(description) = &attributes.description {
            append("error_description", description);
        }
        if let Some(scope) = attributes.scope {
            append("scope", scope);
        }
        if let Some(max_age) = attributes.max_age {
            append("max_age", &max_age.as_secs().to_string());
        }
        if let Some(url) = &self.resource_metadata {
            append("resource_metadata", url);
        }
        // A challenge of its own (RFC 9110 §11.6.1).
        if self.takes_api_keys && attributes.is_open {
            value.extend([", APIKey realm=\"", &self.realm, "\""]);
        }
        HeaderValue::try_from(value).expect("only printable ASCII was let in")
    }
}

/// RFC 6750 §3: attribute values hold `%x20-21 / %x23-5B / %x5D-7E`; anything else would need, or break, the quoting.
fn quotable(text: &str) -> String {
    text.chars().filter(|char| matches!(char, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_credentials_there_is_no_error_code() {
        let space = ProtectionSpace::new("api", Some("https://api.example/.well-known/oauth-protected-resource".into()));
        assert_eq!(
            space.challenge(&Attributes::default()),
            "Bearer realm=\"api\", resource_metadata=\"https://api.example/.well-known/oauth-protected-resource\""
        );
    }

    #[test]
    fn every_attribute_appears_once_and_is_quoted() {
        let attributes = Attributes {
            error: Some("insufficient_scope"),
            description: Some("more is needed".into()),
            scope: Some("a b"),
            max_age: Some(Duration::from_mins(5)),
            is_open: false,
        };
        assert_eq!(
            ProtectionSpace::new("api", None).challenge(&attributes),
            "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"more is needed\", scope=\"a b\", \
             max_age=\"300\""
        );
    }

    #[test]
    fn a_space_that_takes_api_keys_says_so_where_other_credentials_would_do() {
        let space = ProtectionSpace::new("api", None).taking_api_keys();
        let open = Attributes { is_open: true, ..Attributes::default() };
        assert_eq!(space.challenge(&open), "Bearer realm=\"api\", APIKey realm=\"api\"");
        assert_eq!(space.challenge(&Attributes::default()), "Bearer realm=\"api\"");
        assert_eq!(ProtectionSpace::new("api", None).challenge(&open), "Bearer realm=\"api\"");
    }

    #[test]
    fn nothing_can_break_out_of_the_quotes() {
        let space = ProtectionSpace::new("a\"b\\c\r\nd\u{e9}e", None);
        assert_eq!(space.challenge(&Attributes::default()), "Bearer realm=\"abcde\"");
    }
}
