//! The list of endpoints.

mod admin;
mod authenticated;
mod documents;
mod forward_auth;
mod me;
mod metadata;
mod problem;

use std::sync::Arc;

use poem::{Endpoint, Response, get};
use poem_openapi::{OpenApiService, Tags};
use shared::{
    guard::{Guard, document_api_keys},
    server::{docs::Docs, health::Health, mounts::Mounts},
};
use time::OffsetDateTime;
use url::Url;

use self::{
    admin::AdminApi,
    authenticated::{ApiScope, Authenticated, TOKEN_URL},
    documents::DocumentsApi,
    me::MeApi,
    metadata::{MetadataApi, WELL_KNOWN},
};
use crate::document::Documents;

#[cfg(any(test, fuzzing))]
pub use self::forward_auth::fuzz_needs;
pub(crate) use self::{
    forward_auth::{ForwardAuth, METHODS as FORWARD_AUTH_METHODS, TEMPLATES as FORWARD_AUTH_TEMPLATES},
    metadata::{metadata_path, metadata_url},
};

/// What the API is called.
pub(crate) const TITLE: &str = "Documents";

const DESCRIPTION: &str = "\
Documents, each with one owner. An access token of the issuer opens them: press *Authorize*, log in with a user name and a \
password, and try. Everything that is refused is a problem after RFC 9457; its `request_id` is what to name when asking \
for help.";

/// The parts of the API, as the documentation groups them.
#[derive(Tags)]
enum ApiTag {
    /// Who is calling
    Caller,
    /// Documents of your own
    Documents,
    /// For administrators
    Administration,
    /// How this service describes itself to programs
    Discovery,
}

/// The API of this service.
pub(crate) type Api = OpenApiService<(MeApi, DocumentsApi, AdminApi, MetadataApi), ()>;

/// What the endpoints need to know of the service around them.
pub(crate) struct About {
    /// The identifier of this resource.
    pub id: String,
    /// The issuer it trusts.
    pub issuer: String,
    /// Whether it serves its documentation.
    pub has_docs: bool,
    /// Whether callers may show an API key.
    pub takes_api_keys: bool,
}

/// Every operation of the API: a new one is a file and a line.
pub(crate) fn api(about: &About, documents: &Documents) -> Api {
    let base = base_path(&about.id);
    let operations = (
        MeApi,
        DocumentsApi::new(documents.clone(), format!("{base}/documents")),
        AdminApi::new(documents.clone(), format!("{base}/admin/documents")),
        MetadataApi::new(about),
    );
    let api = OpenApiService::new(operations, TITLE, env!("CARGO_PKG_VERSION")).description(DESCRIPTION);
    // Where the document names no server, Swagger UI calls the one it came from.
    if base.is_empty() { api } else { api.server(base) }
}

/// The `OpenAPI` document, with the issuer's token endpoint where Swagger UI looks for it, and with API keys if they are taken.
pub(crate) fn document(api: &Api, about: &About) -> String {
    let document = with_token_endpoint(&api.spec(), &about.issuer);
    if about.takes_api_keys { document_api_keys(&document) } else { document }
}

fn with_token_endpoint(text: &str, issuer: &str) -> String {
    text.replace(TOKEN_URL, &format!("{issuer}/oauth2/token"))
}

/// The document, and Swagger UI over it, whose *Authorize* dialog asks the issuer for a token.
fn docs(api: &Api, about: &About) -> Docs {
    if !about.has_docs {
        return Docs::off();
    }
    let issuer = Url::parse(&about.issuer).map(|issuer| issuer.origin().ascii_serialization());
    Docs::new(document(api, about), Vec::from_iter(issuer))
}

/// Everything the service answers, before the network edge goes around it.
pub(crate) fn routes(
    api: Api,
    about: &About,
    guard: Guard,
    forward_auth: ForwardAuth,
    health: Health,
) -> impl Endpoint<Output = Response> + use<> {
    let docs = docs(&api, about);
    let forward_auth = Arc::new(forward_auth);
    let mounts = forward_auth::PATHS.into_iter().fold(Mounts::new(), |mounts, path| mounts.at(path, Arc::clone(&forward_auth)));
    let mounts = match metadata_path(&about.id) {
        path if path == WELL_KNOWN => mounts,
        // RFC 9728 §3.1: the metadata of a resource with a path is at a path of its own.
        path => mounts.at(&path, get(MetadataApi::new(about).endpoint())),
    };
    docs.mount(health.mount(mounts)).before(guard.protect(api))
}

/// The paths that pages of any origin may read.
pub(crate) fn public_paths(about: &About) -> Vec<&'static str> {
    // One short text in the life of the service.
    vec![WELL_KNOWN, metadata_path(&about.id).leak()]
}

/// What stands before every path as callers see it, if a proxy in front of this service takes it off.
fn base_path(id: &str) -> String {
    Url::parse(id).map_or_else(|_| String::new(), |id| id.path().trim_end_matches('/').to_owned())
}

/// Seconds since 1970 as a caller reads them.
fn timestamp(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Seconds since 1970.
fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
