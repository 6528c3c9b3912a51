//! For administrators: one file per noun, each behind a scope of its own.

mod api_keys;
mod audit_events;
mod client_body;
mod client_secrets;
mod clients;
mod resources;
mod roles;
mod signing_keys;
mod user_body;
mod user_password;
mod user_roles;
mod user_sessions;
mod users;

use poem_openapi::{ApiResponse, Enum, payload::Json, types::ToJSON};
use shared::server::{json_string::JsonString, paging, problem::Malformed};

pub(super) use self::{
    api_keys::ApiKeysApi, audit_events::AuditEventsApi, client_secrets::ClientSecretsApi, clients::ClientsApi,
    resources::ResourcesApi, roles::RolesApi, signing_keys::SigningKeysApi, user_password::UserPasswordApi,
    user_roles::UserRolesApi, user_sessions::UserSessionsApi, users::UsersApi,
};
use crate::admin::Reach;

/// How a deletion is answered.
#[derive(ApiResponse)]
enum DeleteReply {
    /// It is gone.
    #[oai(status = 204)]
    Deleted,
}

/// When what was issued before a change of rights ends.
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
enum Revoke {
    /// At once: the sessions of those concerned end, and their access tokens are revoked.
    Now,
}

impl Revoke {
    const fn reach(given: Option<&Self>) -> Reach {
        match given {
            Some(Self::Now) => Reach::Now,
            None => Reach::Next,
        }
    }
}

/// How a thing is answered that has versions.
#[derive(ApiResponse)]
enum VersionedReply<T: ToJSON + Send> {
    /// As it is now.
    #[oai(status = 200)]
    Now(
        Json<T>,
        /// Its version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

/// How a creation is answered.
#[derive(ApiResponse)]
enum CreateReply<T: ToJSON + Send> {
    /// It was created.
    #[oai(status = 201)]
    Created(
        Json<T>,
        /// Where it is.
        #[oai(header = "Location")]
        String,
        /// Its version, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

/// How a page of a list is answered.
#[derive(ApiResponse)]
enum PageReply<T: ToJSON + Send> {
    /// A page of the list.
    #[oai(status = 200)]
    Page(
        Json<T>,
        /// The next page, with `rel="next"` (RFC 8288); absent on the last page.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// Reads a cursor of a list that is sorted by names or identifiers.
fn behind(cursor: Option<&str>) -> Result<Option<String>, Malformed> {
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    paging::after(cursor, |text| is_plain(text).then(|| text.to_owned()))
}

fn texts(strings: Vec<JsonString>) -> Vec<String> {
    strings.into_iter().map(|string| string.0).collect()
}

fn text(string: Option<JsonString>) -> Option<String> {
    string.map(|string| string.0)
}

/// The default of what is safer that way.
const fn yes() -> bool {
    true
}
