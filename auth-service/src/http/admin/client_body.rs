//! What clients look like on the wire.

use poem_openapi::{Enum, Object};
use shared::server::{entity_tag::entity_tag, json_string::JsonString};

use super::{text, texts};
use crate::{
    admin::{self, ClientDraft},
    client::Kind,
    clock,
};

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum ClientKind {
    /// It cannot: it runs where people can look into it.
    Public,
    /// It can, and proves itself with it.
    Confidential,
}

/// Whether a client may be used.
#[derive(Clone, Copy, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum ClientState {
    /// It may.
    #[default]
    Active,
    /// It may not; what it was issued has ended.
    Disabled,
}

/// A client.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct Client {
    /// Its identifier.
    id: String,
    /// Whether it can keep a secret.
    kind: ClientKind,
    /// Whether it may be used.
    state: ClientState,
    /// The grant types it may use.
    grants: Vec<String>,
    /// What it may ask for.
    scopes: Vec<String>,
    /// Its own roles, for `client_credentials`.
    roles: Vec<String>,
    /// The resource it means when a request names neither scope nor resource.
    default_resource: Option<String>,
    /// The resource that it is: it may introspect tokens for it.
    serves: Option<String>,
    /// The browser origins it is loaded from.
    cors_origins: Vec<String>,
    /// How long its access tokens live, in seconds, where that departs from the service's setting.
    access_token_lifetime: Option<i64>,
    /// How long its refresh tokens may lie unused, in seconds.
    refresh_idle_lifetime: Option<i64>,
    /// How long its sessions live, in seconds.
    refresh_absolute_lifetime: Option<i64>,
    /// When it was created, RFC 3339.
    created_at: String,
    /// When it was last changed, RFC 3339.
    updated_at: String,
    /// The entity tag of this version.
    etag: String,
}

/// What a client may do. Whatever is left out is not allowed.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ClientLimits {
    /// Whether it may be used; it may, unless told otherwise.
    #[oai(default)]
    state: ClientState,
    /// The grant types it may use.
    #[oai(default, validator(max_items = 16))]
    grants: Vec<JsonString>,
    /// What it may ask for.
    #[oai(default, validator(max_items = 128))]
    scopes: Vec<JsonString>,
    /// Its own roles, for `client_credentials`.
    #[oai(default, validator(max_items = 64))]
    roles: Vec<JsonString>,
    /// The resource it means when a request names neither scope nor resource.
    #[oai(validator(max_length = 255))]
    default_resource: Option<JsonString>,
    /// The resource that it is: it may introspect tokens for it.
    #[oai(validator(max_length = 255))]
    serves: Option<JsonString>,
    /// The browser origins it is loaded from.
    #[oai(default, validator(max_items = 32))]
    cors_origins: Vec<JsonString>,
    /// How long its access tokens live, in seconds: an hour at most.
    #[oai(validator(minimum(value = "5"), maximum(value = "3600")))]
    access_token_lifetime: Option<u32>,
    /// How long its refresh tokens may lie unused, in seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "315360000")))]
    refresh_idle_lifetime: Option<u32>,
    /// How long its sessions live, in seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "315360000")))]
    refresh_absolute_lifetime: Option<u32>,
}

/// A new client. Whatever is left out is not allowed.
// The members below `kind` are those of `ClientLimits`: keep them in step.
#[derive(Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewClient {
    /// Its identifier: ASCII letters, digits, `.`, `_`, `-`; not a username, and not beginning with `usr_`.
    #[oai(validator(min_length = 2, max_length = 64))]
    id: JsonString,
    /// Whether it can keep a secret.
    kind: ClientKind,
    /// Whether it may be used; it may, unless told otherwise.
    #[oai(default)]
    state: ClientState,
    /// The grant types it may use.
    #[oai(default, validator(max_items = 16))]
    grants: Vec<JsonString>,
    /// What it may ask for.
    #[oai(default, validator(max_items = 128))]
    scopes: Vec<JsonString>,
    /// Its own roles, for `client_credentials`.
    #[oai(default, validator(max_items = 64))]
    roles: Vec<JsonString>,
    /// The resource it means when a request names neither scope nor resource.
    #[oai(validator(max_length = 255))]
    default_resource: Option<JsonString>,
    /// The resource that it is: it may introspect tokens for it.
    #[oai(validator(max_length = 255))]
    serves: Option<JsonString>,
    /// The browser origins it is loaded from.
    #[oai(default, validator(max_items = 32))]
    cors_origins: Vec<JsonString>,
    /// How long its access tokens live, in seconds: an hour at most.
    #[oai(validator(minimum(value = "5"), maximum(value = "3600")))]
    access_token_lifetime: Option<u32>,
    /// How long its refresh tokens may lie unused, in seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "315360000")))]
    refresh_idle_lifetime: Option<u32>,
    /// How long its sessions live, in seconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "315360000")))]
    refresh_absolute_lifetime: Option<u32>,
}

/// A client that was created.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct CreatedClient {
    /// The client.
    pub(super) client: Client,
    /// The secret of a confidential client. It is shown this once.
    pub(super) secret: Option<String>,
}

/// A page of clients, by identifier.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct ClientPage {
    /// The clients of this page.
    pub(super) clients: Vec<Client>,
    /// Where the next page begins; absent on the last page.
    pub(super) next_cursor: Option<String>,
}

impl From<ClientKind> for Kind {
    fn from(kind: ClientKind) -> Self {
        match kind {
            ClientKind::Public => Self::Public,
            ClientKind::Confidential => Self::Confidential,
        }
    }
}

impl NewClient {
    /// The identifier, the kind and what it may do.
    pub(super) fn into_parts(self) -> (String, Kind, ClientDraft) {
        let limits = ClientLimits {
            state: self.state,
            grants: self.grants,
            scopes: self.scopes,
            roles: self.roles,
            default_resource: self.default_resource,
            serves: self.serves,
            cors_origins: self.cors_origins,
            access_token_lifetime: self.access_token_lifetime,
            refresh_idle_lifetime: self.refresh_idle_lifetime,
            refresh_absolute_lifetime: self.refresh_absolute_lifetime,
        };
        (self.id.0, self.kind.into(), limits.into())
    }
}

impl From<ClientLimits> for ClientDraft {
    fn from(limits: ClientLimits) -> Self {
        Self {
            state: match limits.state {
                ClientState::Active => admin::ClientState::Active,
                ClientState::Disabled => admin::ClientState::Disabled,
            },
            grants: texts(limits.grants),
            scopes: texts(limits.scopes),
            roles: texts(limits.roles),
            default_resource: text(limits.default_resource),
            serves: text(limits.serves),
            cors_origins: texts(limits.cors_origins),
            access_token_lifetime: limits.access_token_lifetime,
            refresh_idle_lifetime: limits.refresh_idle_lifetime,
            refresh_absolute_lifetime: limits.refresh_absolute_lifetime,
        }
    }
}

impl From<admin::Client> for Client {
    fn from(client: admin::Client) -> Self {
        let words = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect();
        let row = client.row;
        Self {
            kind: match row.kind {
                Kind::Public => ClientKind::Public,
                Kind::Confidential => ClientKind::Confidential,
            },
            state: match row.state {
                admin::ClientState::Active => ClientState::Active,
                admin::ClientState::Disabled => ClientState::Disabled,
            },
            grants: words(&row.grants),
            scopes: words(&row.scopes),
            roles: client.roles,
            default_resource: row.default_resource,
            serves: row.serves,
            cors_origins: words(&row.cors_origins),
            access_token_lifetime: row.access_token_lifetime,
            refresh_idle_lifetime: row.refresh_idle_lifetime,
            refresh_absolute_lifetime: row.refresh_absolute_lifetime,
            created_at: clock::rfc3339(row.created_at),
            updated_at: clock::rfc3339(row.updated_at),
            etag: entity_tag(row.version),
            id: row.id,
        }
    }
}
