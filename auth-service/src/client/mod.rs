//! Applications: how a client proves which one it is, and what it may do.

mod authentication;
mod registration;

use std::{sync::Arc, time::Duration};

use shared::scope::Scope;

use crate::{grant::GrantType, store};

pub use self::registration::NewClient;
pub(crate) use self::{
    authentication::{ClientError, Clients, Credentials, is_active},
    registration::{ClientChangeError, add_secret, check, create, row, secret_row, set_state},
};
pub use crate::store::client::Kind;
pub(crate) use crate::store::client::Secret;

/// The client that a development server assumes when a request names none.
pub(crate) const FIRST_PARTY: &str = "first-party";

/// The client of a token exchange that names none. It is built in: the API key is the credential, and needs no other.
pub(crate) const API_KEY: &str = "api-key";
/// A client that has proved which one it is.
#[derive(Clone, Debug)]
pub(crate) struct Client(Arc<store::Client>);

impl Client {
    /// The client identifier.
    pub(crate) fn id(&self) -> &str {
        &self.0.row.id
    }

    /// Whether it is the client of those who show an API key and nothing else.
    pub(crate) fn is_api_key_client(&self) -> bool {
        self.id() == API_KEY
    }

    /// Whether it may use this grant.
    pub(crate) fn allows(&self, grant: GrantType) -> bool {
        self.0.row.grants.split(' ').any(|allowed| allowed == grant.name())
    }

    /// What it may ask for.
    pub(crate) fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The resource it means when a request names neither scope nor resource.
    pub(crate) fn default_resource(&self) -> Option<&str> {
        self.0.row.default_resource.as_deref()
    }

    /// Whether it can keep a secret.
    pub(crate) fn kind(&self) -> Kind {
        self.0.row.kind
    }

    /// Grows whenever it is enabled or disabled.
    pub(crate) fn generation(&self) -> i64 {
        self.0.row.generation
    }

    /// Its own roles.
    pub(crate) fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// The resource that this client is: it may introspect tokens for it.
    pub(crate) fn serves(&self) -> Option<&str> {
        self.0.row.serves.as_deref()
    }

    /// How long its refresh tokens may lie unused, where that departs from the service's setting.
    pub(crate) fn refresh_idle_lifetime(&self) -> Option<Duration> {
        duration(self.0.row.refresh_idle_lifetime)
    }

    /// How long its sessions live, where that departs from the service's setting.
    pub(crate) fn refresh_absolute_lifetime(&self) -> Option<Duration> {
        duration(self.0.row.refresh_absolute_lifetime)
    }

    /// How long its access tokens live, where that departs from the service's setting.
    pub(crate) fn access_token_lifetime(&self) -> Option<Duration> {
        duration(self.0.row.access_token_lifetime)
    }
}

fn duration(seconds: Option<i64>) -> Option<Duration> {
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}
