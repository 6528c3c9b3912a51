//! What the issuer offers and where (RFC 8414): exactly what is switched on.

use std::sync::Arc;

use arc_swap::ArcSwap;
use poem::http::HeaderMap;
use poem_openapi::{ApiResponse, Object, OpenApi, types::ToJSON};

use super::{jwks::is_known, verbatim::Verbatim};
use crate::{access::Catalog, grant::GrantType, http::ApiTag, signing_key::Algorithm};

const WITH_SECRET: [&str; 2] = ["client_secret_basic", "client_secret_post"];
const ANY_CLIENT: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// The metadata endpoint.
pub(in crate::http) struct MetadataApi {
    pub(in crate::http) metadata: Arc<Metadata>,
}

/// The metadata as it is published: made anew when resources or scopes change, served from memory.
pub(crate) struct Metadata {
    issuer: String,
    grants: Vec<GrantType>,
    algorithm: Algorithm,
    docs: bool,
    published: ArcSwap<Published>,
}

/// A document and its entity tag.
#[derive(Default)]
struct Published {
    body: String,
    etag: String,
}

/// Authorization server metadata (RFC 8414 §2). Members that would be empty are left out, except the required ones.
#[derive(Object)]
#[oai(rename = "Metadata", skip_serializing_if_is_none)]
struct Document {
    /// The issuer: the `iss` of every token.
    issuer: String,
    /// Where grants are exchanged for tokens.
    token_endpoint: String,
    /// Where the public keys are.
    jwks_uri: String,
    /// Required by RFC 8414, and empty: there is no authorization endpoint.
    response_types_supported: Vec<String>,
    /// The grant types that are switched on.
    grant_types_supported: Vec<String>,
    /// Every scope of every protected resource.
    scopes_supported: Option<Vec<String>>,
    /// How clients authenticate at the token endpoint.
    token_endpoint_auth_methods_supported: Vec<String>,
    /// Where a client revokes its tokens.
    revocation_endpoint: String,
    /// How clients authenticate there.
    revocation_endpoint_auth_methods_supported: Vec<String>,
    /// Where a resource server asks about a token.
    introspection_endpoint: String,
    /// How clients authenticate there: a public client may not ask.
    introspection_endpoint_auth_methods_supported: Vec<String>,
    /// How answers as JWTs are signed there (RFC 9701 §7).
    introspection_signing_alg_values_supported: Vec<String>,
    /// Where the status lists are named (draft-ietf-oauth-status-list §9).
    status_list_aggregation_endpoint: String,
    /// The protected resources that tokens are issued for (RFC 9728 §4).
    protected_resources: Option<Vec<String>>,
    /// Where a person can read about the service.
    service_documentation: Option<String>,
}

/// How the metadata is answered.
#[derive(ApiResponse)]
enum MetadataReply {
    /// The metadata.
    #[oai(status = 200)]
    Metadata(Verbatim<Document>, #[oai(header = "ETag")] String, #[oai(header = "Cache-Control")] String),
    /// The metadata is still that of the entity tag in `If-None-Match`.
    #[oai(status = 304)]
    NotModified(#[oai(header = "ETag")] String, #[oai(header = "Cache-Control")] String),
}

impl Metadata {
    pub(crate) fn new(issuer: &str, grants: Vec<GrantType>, algorithm: Algorithm, docs: bool) -> Self {
        Self { issuer: issuer.to_owned(), grants, algorithm, docs, published: ArcSwap::default() }
    }

    /// Makes the document for these resources, if that changes anything.
    pub(crate) fn publish(&self, catalog: &Catalog) {
        let body = self.document(catalog).to_json_string();
        if self.published.load().body != body {
            let etag = format!("\"{}\"", crate::secret::digest(&body));
            self.published.store(Arc::new(Published { body, etag }));
        }
    }

    fn document(&self, catalog: &Catalog) -> Document {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let list = |items: Vec<String>| (!items.is_empty()).then_some(items);
        Document {
            issuer: self.issuer.clone(),
            token_endpoint: at("/oauth2/token"),
            jwks_uri: at("/.well-known/jwks.json"),
            response_types_supported: Vec::new(),
            grant_types_supported: self.grants.iter().map(|grant| grant.name().to_owned()).collect(),
            scopes_supported: list(catalog.every_scope().iter().map(ToOwned::to_owned).collect()),
            token_endpoint_auth_methods_supported: names(&ANY_CLIENT),
            revocation_endpoint: at("/oauth2/revoke"),
            revocation_endpoint_auth_methods_supported: names(&ANY_CLIENT),
            introspection_endpoint: at("/oauth2/introspect"),
            introspection_endpoint_auth_methods_supported: names(&WITH_SECRET),
            introspection_signing_alg_values_supported: names(&[self.algorithm.name()]),
            status_list_aggregation_endpoint: at("/oauth2/status-lists"),
            protected_resources: list(catalog.resources().map(ToOwned::to_owned).collect()),
            service_documentation: self.docs.then(|| at("/docs")),
        }
    }
}

#[expect(clippy::unused_async, reason = "poem-openapi wants every operation async")]
#[OpenApi(tag = "ApiTag::Discovery")]
impl MetadataApi {
    /// What the issuer offers, and where
    #[oai(path = "/.well-known/oauth-authorization-server", method = "get", operation_id = "metadata")]
    async fn metadata(&self, headers: &HeaderMap) -> MetadataReply {
        let cache_control = "public, max-age=300".to_owned();
        let published = self.metadata.published.load();
        if is_known(headers, &published.etag) {
            return MetadataReply::NotModified(published.etag.clone(), cache_control);
        }
        MetadataReply::Metadata(Verbatim::new(published.body.clone()), published.etag.clone(), cache_control)
    }
}
