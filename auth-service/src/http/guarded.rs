//! The issuer's own API is a protected resource like any other: the same guard, fed by its own key ring.

use poem_openapi::{OAuthScopes, SecurityScheme};
use shared::guard::Caller;

/// The issuer's own scopes.
#[derive(OAuthScopes)]
pub(super) enum ApiScope {
    /// See and change your own account
    #[oai(rename = "account")]
    Account,
    /// Manage users, roles and sessions
    #[oai(rename = "admin:users")]
    AdminUsers,
    /// Manage clients and protected resources
    #[oai(rename = "admin:clients")]
    AdminClients,
    /// Manage signing keys and API keys
    #[oai(rename = "admin:keys")]
    AdminKeys,
    /// Read the audit log
    #[oai(rename = "admin:audit")]
    AdminAudit,
}

/// The scopes as they stand in tokens; keep in step with [`ApiScope`].
pub(super) mod scope {
    pub(in crate::http) const ACCOUNT: &str = "account";
    pub(in crate::http) const ADMIN_USERS: &str = "admin:users";
    pub(in crate::http) const ADMIN_CLIENTS: &str = "admin:clients";
    pub(in crate::http) const ADMIN_KEYS: &str = "admin:keys";
    pub(in crate::http) const ADMIN_AUDIT: &str = "admin:audit";
}

/// An access token for the issuer's own API.
#[derive(SecurityScheme)]
#[oai(
    rename = "OAuth2",
    ty = "oauth2",
    flows(password(token_url = "/oauth2/token", scopes = "ApiScope")),
    checker = "shared::guard::authenticate"
)]
pub(super) struct Authenticated(pub(super) Caller);
