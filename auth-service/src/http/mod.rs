//! The endpoints: this is the list of them.

mod account;
mod admin;
mod api_key;
mod guarded;
pub(crate) mod oauth;
mod problem;

use std::{sync::Arc, time::Duration};

use poem::{Endpoint, Response};
use poem_openapi::{OpenApi, OpenApiService, Tags};
use shared::{
    access_token::{AccessTokenVerifier, Revocations},
    guard::{Guard, Refusals},
    server::{docs::Docs, health::Health, mounts::Mounts},
};

use self::oauth::{IntrospectionApi, JwksApi, MetadataApi, RevocationApi, StatusListApi, TokenApi};
pub(crate) use self::oauth::{Metadata, TokenRequests, shape_error};
use crate::{
    account::{PasswordChange, Profiles, Registrations, SessionList},
    admin::{Clients, Gate, Resources, Roles, SigningKeys, Users},
    api_key::ApiKeys,
    audit::AuditLog,
    client,
    config::Profile,
    grant::Grants,
    signing_key::KeyRing,
    token::{Introspector, Revoker, StatusLists},
};

/// How the operations are grouped in the document.
#[derive(Tags)]
enum ApiTag {
    /// Exchange grants for tokens.
    Tokens,
    /// What a client or a resource server needs to know about the issuer.
    Discovery,
    /// The caller's own account.
    Account,
    /// Keys for programs that cannot log in.
    ApiKeys,
    /// For administrators.
    Administration,
}

/// What the endpoints stand on.
pub(crate) struct Domain {
    pub(crate) audit: AuditLog,
    pub(crate) profiles: Profiles,
    pub(crate) api_keys: ApiKeys,
    pub(crate) password_change: PasswordChange,
    pub(crate) session_list: SessionList,
    pub(crate) registrations: Registrations,
    pub(crate) admin: Administration,
    pub(crate) grants: Grants,
    pub(crate) token_requests: TokenRequests,
    pub(crate) refusals: Refusals,
    pub(crate) revoker: Revoker,
    pub(crate) introspector: Introspector,
    pub(crate) lists: StatusLists,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) ring: Arc<KeyRing>,
    /// How long verifiers may keep the key set.
    pub(crate) jwks_max_age: Duration,
    pub(crate) issuer: String,
    pub(crate) profile: Profile,
    pub(crate) docs: bool,
}

/// What the endpoints for administrators stand on.
pub(crate) struct Administration {
    pub(crate) gate: Gate,
    pub(crate) users: Users,
    pub(crate) roles: Roles,
    pub(crate) clients: Clients,
    pub(crate) resources: Resources,
    pub(crate) keys: SigningKeys,
}

/// The endpoints, ready to be mounted, and the document that describes them.
pub(crate) struct Routes<E> {
    pub(crate) endpoint: E,
    pub(crate) document: String,
}

/// THE list of endpoints.
fn apis(domain: &Domain) -> impl OpenApi + use<> {
    let assumed_client = (domain.profile == Profile::Development).then_some(client::FIRST_PARTY);
    let admin = &domain.admin;
    let oauth = (
        TokenApi { grants: domain.grants.clone(), assumed_client, requests: domain.token_requests.clone() },
        JwksApi { ring: Arc::clone(&domain.ring), max_age: domain.jwks_max_age },
        RevocationApi { clients: domain.grants.clients.clone(), revoker: domain.revoker.clone() },
        IntrospectionApi { clients: domain.grants.clients.clone(), introspector: domain.introspector.clone() },
        StatusListApi { lists: domain.lists.clone() },
        MetadataApi { metadata: Arc::clone(&domain.metadata) },
    );
    let account = (
        account::ProfileApi { profiles: domain.profiles.clone() },
        account::PasswordApi { passwords: domain.password_change.clone() },
        account::SessionsApi { sessions: domain.session_list.clone() },
        account::ApiKeysApi { keys: domain.api_keys.clone() },
        account::RegistrationApi { registrations: domain.registrations.clone() },
    );
    let admin = (
        admin::UsersApi { gate: admin.gate.clone(), users: admin.users.clone() },
        admin::UserRolesApi { gate: admin.gate.clone(), users: admin.users.clone() },
        admin::UserPasswordApi { gate: admin.gate.clone(), users: admin.users.clone() },
        admin::UserSessionsApi { gate: admin.gate.clone(), users: admin.users.clone() },
        admin::RolesApi { gate: admin.gate.clone(), roles: admin.roles.clone() },
        admin::ClientsApi { gate: admin.gate.clone(), clients: admin.clients.clone() },
        admin::ClientSecretsApi { gate: admin.gate.clone(), clients: admin.clients.clone() },
        admin::ResourcesApi { gate: admin.gate.clone(), resources: admin.resources.clone() },
        admin::ApiKeysApi { keys: domain.api_keys.clone() },
        admin::AuditEventsApi { log: domain.audit.clone() },
        admin::SigningKeysApi { gate: admin.gate.clone(), keys: admin.keys.clone() },
    );
    (oauth, account, admin)
}

/// Everything the service answers, the OAuth endpoints within `deadline`, before the network edge goes around it.
pub(crate) fn routes(domain: &Domain, health: Health, deadline: Duration) -> Routes<impl Endpoint<Output = Response> + use<>> {
    let service = OpenApiService::new(apis(domain), "auth-service", env!("CARGO_PKG_VERSION"))
        .description("Logs people in and issues RS256-signed JWT access tokens (RFC 9068).");
    let document = service.spec();
    let docs = if domain.docs { Docs::new(document.clone(), Vec::new()) } else { Docs::off() };
    let verifier = AccessTokenVerifier::with_local_keys(&*domain.issuer, &*domain.issuer, domain.ring.verification());
    let lists = domain.lists.clone();
    let verifier = verifier.revocations(Revocations::local(move |reference| lists.status(reference)));
    let guard = Guard::new(verifier, "auth-service", None).counting(&domain.refusals);
    let api = oauth::keep_uncached(guard.protect(service), deadline);
    Routes { endpoint: docs.mount(health.mount(Mounts::new())).before(api), document }
}
