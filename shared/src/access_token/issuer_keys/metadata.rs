//! The issuer's metadata (RFC 8414), as far as a resource server needs it.

use serde::{Deserialize, Serialize};
use url::Url;

/// What the issuer publishes about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct IssuerMetadata {
    /// Its identifier.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: Url,
    /// Where clients obtain tokens.
    pub token_endpoint: Option<Url>,
    /// Where its status lists are named (draft-ietf-oauth-status-list, "Status List Aggregation").
    pub status_list_aggregation_endpoint: Option<Url>,
}

/// The same, as it is written.
#[derive(Serialize, Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_list_aggregation_endpoint: Option<String>,
}

impl TryFrom<Document> for IssuerMetadata {
    type Error = url::ParseError;

    fn try_from(document: Document) -> Result<Self, url::ParseError> {
        let parse = |url: Option<String>| url.as_deref().map(Url::parse).transpose();
        Ok(Self {
            issuer: document.issuer,
            jwks_uri: Url::parse(&document.jwks_uri)?,
            token_endpoint: parse(document.token_endpoint)?,
            status_list_aggregation_endpoint: parse(document.status_list_aggregation_endpoint)?,
        })
    }
}

impl From<IssuerMetadata> for Document {
    fn from(metadata: IssuerMetadata) -> Self {
        Self {
            issuer: metadata.issuer,
            jwks_uri: metadata.jwks_uri.into(),
            token_endpoint: metadata.token_endpoint.map(Url::into),
            status_list_aggregation_endpoint: metadata.status_list_aggregation_endpoint.map(Url::into),
        }
    }
}

/// Where an issuer's metadata is: the well-known part goes between host and path (RFC 8414 §3).
pub(in crate::access_token) fn metadata_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = issuer.path().trim_end_matches('/');
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_goes_between_host_and_path() {
        for (issuer, expected) in [
            ("https://auth.example", "https://auth.example/.well-known/oauth-authorization-server"),
            ("http://localhost:8080", "http://localhost:8080/.well-known/oauth-authorization-server"),
            ("https://example.com/tenant/a", "https://example.com/.well-known/oauth-authorization-server/tenant/a"),
        ] {
            assert_eq!(metadata_url(&issuer.parse().unwrap()).as_str(), expected);
        }
    }
}
