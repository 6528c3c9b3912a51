//! Who is calling: the first argument of every guarded handler.

use poem_openapi::{OAuthScopes, SecurityScheme};
use shared::guard::{Caller, authenticate};

/// Stands where the issuer's token endpoint belongs, until [`super::document`] knows the issuer: the attribute
/// below takes a literal only.
pub(super) const TOKEN_URL: &str = "https://issuer.invalid/oauth2/token";

/// What an access token can allow at this service.
#[derive(OAuthScopes)]
pub(crate) enum ApiScope {
    /// List and read documents
    #[oai(rename = "documents:read")]
    Read,
    /// Create, replace and delete documents
    #[oai(rename = "documents:write")]
    Write,
    /// Reach the documents of everybody (takes the role `admin` too)
    #[oai(rename = "documents:admin")]
    Admin,
}

impl ApiScope {
    /// Every scope of this service, for its metadata.
    pub(super) const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];
}

// A scope in a handler's `#[oai(scope = …)]` is shown in the documentation, and the guard requires it.
/// An access token of the issuer, in the `Authorization` header.
#[derive(SecurityScheme)]
#[oai(
    ty = "oauth2",
    rename = "OAuth2",
    checker = "authenticate",
    flows(password(token_url = "https://issuer.invalid/oauth2/token", scopes = "ApiScope"))
)]
pub(crate) struct Authenticated(pub(super) Caller);
