//! Protected resource metadata (RFC 9728): how a client learns whom this service trusts.

use poem::{Endpoint, IntoResponse, Response, endpoint::make_sync};
use poem_openapi::{ApiResponse, OAuthScopes, Object, OpenApi, payload::Json};
use shared::server::problem::Refused;
use url::Url;

use super::{About, ApiScope, ApiTag, TITLE};

/// Where the metadata of a resource without a path is (RFC 9728 §3).
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// How long anyone may keep the metadata.
const CACHE: &str = "public, max-age=3600";

/// Where the metadata of this resource is, as callers see it: the well-known part stands between host and path (RFC 9728
/// §3.1).
pub(crate) fn metadata_url(id: &str) -> Option<String> {
    let mut url = Url::parse(id).ok()?;
    url.set_path(&metadata_path(id));
    Some(url.into())
}

/// The path of [`metadata_url`].
pub(crate) fn metadata_path(id: &str) -> String {
    format!("{WELL_KNOWN}{}", super::base_path(id))
}

/// Metadata of a protected resource (RFC 9728 §2).
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct ProtectedResource {
    /// The identifier of this resource, which is the audience of its access tokens.
    resource: String,
    /// A name to show to people.
    resource_name: String,
    /// The issuers whose access tokens are accepted.
    authorization_servers: Vec<String>,
    /// The scopes that mean something here.
    scopes_supported: Vec<String>,
    /// How an access token may be presented.
    bearer_methods_supported: Vec<String>,
    /// Documentation for people who write clients.
    resource_documentation: Option<String>,
}

#[derive(ApiResponse)]
pub(super) enum MetadataReply {
    /// The metadata.
    #[oai(status = 200)]
    Metadata(
        Json<ProtectedResource>,
        /// How long it may be kept.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

pub(crate) struct MetadataApi {
    metadata: ProtectedResource,
    has_path: bool,
}

#[OpenApi(tag = "ApiTag::Discovery")]
impl MetadataApi {
    /// Describe this resource
    ///
    /// Tells whom this service trusts and which scopes it knows (RFC 9728). It takes no token.
    #[expect(clippy::unused_async, reason = "every operation is asynchronous, whether it waits or not")]
    #[oai(path = "/.well-known/oauth-protected-resource", method = "get", operation_id = "getMetadata")]
    async fn metadata(&self) -> Result<MetadataReply, Refused> {
        // RFC 9728 §3.3: here would be the metadata of a resource without a path.
        if self.has_path {
            return Err(Refused::not_found("The metadata of this resource is at a path of its own."));
        }
        Ok(self.reply())
    }
}

impl MetadataApi {
    pub(super) fn new(about: &About) -> Self {
        Self { metadata: about.into(), has_path: metadata_path(&about.id) != WELL_KNOWN }
    }

    /// The same, for a path that is known only at run time.
    pub(super) fn endpoint(self) -> impl Endpoint<Output = Response> {
        make_sync(move |_| self.reply().into_response())
    }

    fn reply(&self) -> MetadataReply {
        MetadataReply::Metadata(Json(self.metadata.clone()), CACHE.to_owned())
    }
}

impl From<&About> for ProtectedResource {
    fn from(about: &About) -> Self {
        Self {
            resource: about.id.clone(),
            resource_name: TITLE.to_owned(),
            authorization_servers: vec![about.issuer.clone()],
            scopes_supported: ApiScope::ALL.iter().map(|scope| scope.name().to_owned()).collect(),
            bearer_methods_supported: vec!["header".to_owned()],
            resource_documentation: about.has_docs.then(|| format!("{}/docs", about.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        let url = |id| metadata_url(id).expect("a URL");
        assert_eq!(url("http://localhost:8081"), "http://localhost:8081/.well-known/oauth-protected-resource");
        assert_eq!(url("https://x.example/a/b"), "https://x.example/.well-known/oauth-protected-resource/a/b");
    }
}
