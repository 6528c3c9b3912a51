//! What API keys look like on the wire, to their owners and to administrators alike.

use poem_openapi::{ApiResponse, Object, payload::Json};
use secrecy::{ExposeSecret, SecretString};
use shared::{
    access_token::ApiKey as Form,
    server::{
        paging::next_page,
        problem::{Malformed, Refused},
    },
};

use super::problem::unavailable;
use crate::{
    api_key::{self, ApiKeyError, Page},
    clock,
    store::ApiKeyRow,
};

/// An API key, as far as it may be seen again.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct ApiKey {
    /// Its identifier, which is also how the key begins.
    id: String,
    /// What its owner calls it.
    name: String,
    /// Whose it is: the `sub` of its tokens.
    owner: String,
    /// What it allows, within what its owner's roles hold.
    scopes: Vec<String>,
    /// The networks it is good from; absent: any.
    sources: Option<Vec<String>>,
    /// `active`, `expired` or `revoked`
    state: String,
    /// The last four characters of the key.
    last_four: String,
    /// When it was made, RFC 3339.
    created_at: String,
    /// When it ends, RFC 3339.
    expires_at: String,
    /// When it was last used, give or take an hour, RFC 3339.
    last_used_at: Option<String>,
    /// When it was revoked, RFC 3339.
    revoked_at: Option<String>,
    /// Until when the key before the last rotation is good, RFC 3339.
    previous_until: Option<String>,
}

/// An API key with its secret: this is the only time it is shown.
#[derive(Object)]
pub(super) struct NewApiKey {
    #[oai(flatten)]
    about: ApiKey,
    /// The key, for the header `X-API-Key`. Only a digest of it is kept.
    key: String,
}

/// One page of keys, the newest first.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct ApiKeyPage {
    /// The keys of this page.
    api_keys: Vec<ApiKey>,
    /// Where the next page begins; absent on the last page.
    next_cursor: Option<String>,
}

#[derive(ApiResponse)]
pub(super) enum ListReply {
    /// A page of the list.
    #[oai(status = 200)]
    Page(
        Json<ApiKeyPage>,
        /// The next page, with `rel="next"` (RFC 8288); absent on the last page.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum ReadReply {
    /// The key, without its secret.
    #[oai(status = 200)]
    ApiKey(Json<ApiKey>),
}

#[derive(ApiResponse)]
pub(super) enum RevokeReply {
    /// The key is revoked, and so are its tokens.
    #[oai(status = 204)]
    Revoked,
}

impl ListReply {
    /// `path`, `limit` and `owner` are what was asked, for the link to the next page.
    pub(super) fn new(page: Page, path: &str, limit: u32, owner: Option<&str>) -> Self {
        let (next_cursor, link) = next_page(path, limit, &[("owner", owner)], page.next.as_deref());
        let now = clock::now();
        let api_keys = page.keys.into_iter().map(|key| ApiKey::new(key, now)).collect();
        Self::Page(Json(ApiKeyPage { api_keys, next_cursor }), link)
    }
}

impl From<ApiKeyRow> for ReadReply {
    fn from(key: ApiKeyRow) -> Self {
        Self::ApiKey(Json(ApiKey::new(key, clock::now())))
    }
}

impl ApiKey {
    fn new(key: ApiKeyRow, now: i64) -> Self {
        Self {
            state: api_key::state_of(&key, now).name().to_owned(),
            scopes: key.scopes.split(' ').map(ToOwned::to_owned).collect(),
            sources: (!key.sources.is_empty()).then(|| key.sources.split(' ').map(ToOwned::to_owned).collect()),
            last_four: key.last_four,
            created_at: clock::rfc3339(key.created_at),
            expires_at: clock::rfc3339(key.expires_at),
            last_used_at: key.last_used_at.map(clock::rfc3339),
            revoked_at: key.revoked_at.map(clock::rfc3339),
            previous_until: key.previous_until.filter(|end| now < *end).map(clock::rfc3339),
            id: key.id,
            name: key.name,
            owner: key.user_id,
        }
    }
}

impl NewApiKey {
    pub(super) fn new(key: ApiKeyRow, secret: &SecretString) -> Self {
        Self { about: ApiKey::new(key, clock::now()), key: secret.expose_secret().to_owned() }
    }

    /// Its identifier.
    pub(super) fn id(&self) -> &str {
        &self.about.id
    }
}

/// Where a page begins, if the cursor is one of ours.
pub(super) fn after(cursor: Option<&str>) -> Result<Option<String>, Malformed> {
    shared::server::paging::after(cursor, |id| Form::is_id(id).then(|| id.to_owned()))
}

impl From<ApiKeyError> for Refused {
    fn from(error: ApiKeyError) -> Self {
        let detail = error.to_string();
        match error {
            ApiKeyError::NotFound => Self::not_found("There is no such API key."),
            ApiKeyError::NoAccount => Self::not_found("This token does not speak for a person with an account."),
            ApiKeyError::Name => Self::unprocessable("name", detail),
            ApiKeyError::NoScope | ApiKeyError::BeyondOwner | ApiKeyError::OfIssuer => Self::unprocessable("scope", detail),
            ApiKeyError::Lifetime => Self::unprocessable("expires_in_days", detail),
            ApiKeyError::Sources => Self::unprocessable("sources", detail),
            ApiKeyError::Overlap => Self::unprocessable("overlap_seconds", detail),
            ApiKeyError::Full | ApiKeyError::Rotating => Self::conflict(detail),
            ApiKeyError::Store(error) => unavailable(error),
        }
    }
}
