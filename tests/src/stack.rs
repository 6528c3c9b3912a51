//! Both services, trusting each other.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use auth_service::{ClientKind, NewApiKey, NewClient, Operator};
use secrecy::ExposeSecret;
use shared::server::listener::Listener;

use crate::{Answer, AuthHome, AuthServer, Http, OAuthClient, ResourceHome, ResourceServer, until, until_some};

/// Who lives in the demo beside the administrator, each with the one role; their password is [`crate::PASSWORD`].
pub const PEOPLE: [(&str, &str); 2] = [("ada", "editor"), ("rob", "reader")];

/// Both services on sockets and databases of their own, for as long as it is kept.
///
/// The databases are embedded SQLite, or fresh ones on the PostgreSQL server that `TEST_DATABASE_URL` names.
pub struct Stack {
    // The services come first, so that they are gone before their databases.
    auth: AuthServer,
    resource: ResourceServer,
    auth_home: AuthHome,
    resource_home: ResourceHome,
}

type Change<Config> = Box<dyn FnOnce(&mut Config) + Send>;

/// A stack that is about to be started with other settings than a development server's.
pub struct Builder {
    auth: Change<auth_service::Config>,
    resource: Change<resource_service::Config>,
    ports: (u16, u16),
    is_embedded: bool,
}

impl Stack {
    /// Starts a development stack.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts a development stack, with Ada, who has this role.
    pub async fn with_ada(role: &str) -> Self {
        Self::builder().with_ada(role).await
    }

    /// Prepares a stack with other settings.
    pub fn builder() -> Builder {
        Builder { auth: Box::new(|_| {}), resource: Box::new(|_| {}), ports: (0, 0), is_embedded: false }
    }

    /// The running auth-service.
    pub const fn auth(&self) -> &AuthServer {
        &self.auth
    }

    /// The running resource-service.
    pub const fn resource(&self) -> &ResourceServer {
        &self.resource
    }

    /// What the auth-service stands on.
    pub const fn auth_home(&self) -> &AuthHome {
        &self.auth_home
    }

    /// What the resource-service stands on.
    pub const fn resource_home(&self) -> &ResourceHome {
        &self.resource_home
    }

    /// The URL of auth-service.
    pub fn auth_url(&self) -> &str {
        self.auth.http().base()
    }

    /// The URL of resource-service.
    pub fn resource_url(&self) -> &str {
        self.resource.http().base()
    }

    /// The API of resource-service.
    pub const fn api(&self) -> &Http {
        self.resource.http()
    }

    /// A client application.
    pub fn client(&self) -> OAuthClient {
        self.auth.client()
    }

    /// What the operator of auth-service may do.
    pub const fn operator(&self) -> &Operator {
        self.auth.operator()
    }

    /// A client that is about to be registered: it may use these grants and ask for this scope, at resource-service unless
    /// it says otherwise.
    pub fn new_client(&self, id: &str, kind: ClientKind, grants: &[&str], scope: &str) -> NewClient {
        NewClient {
            grants: grants.iter().map(|&grant| grant.to_owned()).collect(),
            scope: scope.parse().expect("the test names a scope"),
            default_resource: Some(self.resource.id().to_owned()),
            ..NewClient::new(id, kind)
        }
    }

    /// Registers a confidential client that may log people in and refresh.
    pub async fn app(&self, id: &str) -> OAuthClient {
        let grants = ["password", "refresh_token"];
        let scope = "documents:read documents:write account";
        self.auth.register(self.new_client(id, ClientKind::Confidential, &grants, scope)).await
    }

    /// Registers a client that stands for resource-service: it may look at the tokens that are meant for it.
    pub async fn introspecting_client(&self) -> OAuthClient {
        let serves = Some(self.resource.id().to_owned());
        self.auth.register(NewClient { serves, ..NewClient::new("documents-api", ClientKind::Confidential) }).await
    }

    /// Shows an access token to resource-service.
    pub async fn present(&self, access_token: &str) -> Answer {
        self.api().get("/me").bearer(access_token).send().await
    }

    /// Waits until resource-service refuses an access token that it took before.
    pub async fn await_refusal(&self, access_token: &str) {
        await_refusal(async || self.present(access_token).await).await;
    }

    /// Creates a user whose password is [`crate::PASSWORD`], and returns their identifier.
    pub async fn user(&self, username: &str, roles: &[&str]) -> String {
        self.auth.user(username, roles).await
    }

    /// Creates a user and logs them in; returns an access token for resource-service with all that their roles hold.
    pub async fn token_of(&self, username: &str, roles: &[&str]) -> String {
        self.user(username, roles).await;
        self.client().log_in(username, crate::PASSWORD).await
    }

    /// Shows an API key to resource-service.
    pub async fn present_key(&self, api_key: &str) -> Answer {
        self.api().get("/me").api_key(api_key).send().await
    }

    /// Waits until resource-service refuses an API key that it took before.
    pub async fn await_refusal_of_key(&self, api_key: &str) {
        await_refusal(async || self.present_key(api_key).await).await;
    }

    /// Waits until resource-service has the issuer's keys: it starts first, and may have to ask for them a second time.
    pub async fn await_ready(&self) {
        until("the issuer's keys arrive", async || self.api().get("/health/ready").send().await.status() == 200).await;
    }

    /// Makes an API key for a user, once resource-service is ready for it.
    pub async fn api_key(&self, username: &str, scope: &str) -> String {
        self.await_ready().await;
        let scope = scope.parse().expect("the test names a scope");
        let new = NewApiKey { name: "of the test", scope: &scope, lifetime: Duration::from_hours(24), sources: &[] };
        self.operator().add_api_key(username, new).await.expect("the key is acceptable").expose_secret().to_owned()
    }

    /// Logs the first administrator in; returns an access token for the issuer's own API with this scope.
    pub async fn admin_token(&self, scope: &str) -> String {
        self.client().scope(scope).log_in("admin", crate::ADMIN_PASSWORD).await
    }

    /// How often an action was recorded with this outcome and, if one is named, reason.
    pub async fn recorded(&self, action: &str, outcome: &str, reason: Option<&str>) -> usize {
        let reason = reason.map_or_else(|| "IS NULL".to_owned(), |reason| format!("= '{reason}'"));
        let sql = format!("SELECT id FROM audit_event WHERE action = '{action}' AND outcome = '{outcome}' AND reason {reason}");
        self.auth_home.database().rows(&sql).await.len()
    }

    /// Creates the people of the demo and of the README's tour: [`PEOPLE`].
    pub async fn welcome_people(&self) {
        for (username, role) in PEOPLE {
            self.user(username, &[role]).await;
        }
    }

    /// Stops both services in good order, and returns what they leave behind.
    pub async fn stop(self) -> (AuthHome, ResourceHome) {
        self.resource.stop().await;
        self.auth.stop().await;
        (self.auth_home, self.resource_home)
    }
}

impl Builder {
    /// Changes settings of auth-service.
    #[must_use]
    pub fn auth(self, change: impl FnOnce(&mut auth_service::Config) + Send + 'static) -> Self {
        let before = self.auth;
        let auth = |config: &mut auth_service::Config| {
            before(config);
            change(config);
        };
        Self { auth: Box::new(auth), ..self }
    }

    /// Lets a status list live for a second, so that a revocation arrives within one.
    #[must_use]
    pub fn prompt(self) -> Self {
        self.auth(|config| config.status_list_ttl = Duration::from_secs(1))
    }

    /// Changes settings of resource-service.
    #[must_use]
    pub fn resource(self, change: impl FnOnce(&mut resource_service::Config) + Send + 'static) -> Self {
        let before = self.resource;
        let resource = |config: &mut resource_service::Config| {
            before(config);
            change(config);
        };
        Self { resource: Box::new(resource), ..self }
    }

    /// Listens on these ports, if they are free, or else on others.
    #[must_use]
    pub fn prefer_ports(self, auth: u16, resource: u16) -> Self {
        Self { ports: (auth, resource), ..self }
    }

    /// Uses embedded databases, whatever the environment says.
    #[must_use]
    pub fn embedded(self) -> Self {
        Self { is_embedded: true, ..self }
    }

    /// Starts the stack, with Ada, who has this role.
    pub async fn with_ada(self, role: &str) -> Stack {
        let stack = self.start().await;
        stack.user("ada", &[role]).await;
        stack
    }

    /// Starts the stack.
    pub async fn start(self) -> Stack {
        let (auth_home, resource_home) = if self.is_embedded {
            (AuthHome::embedded(), ResourceHome::embedded())
        } else {
            (AuthHome::new().await, ResourceHome::new().await)
        };
        let mut auth_config = auth_home.settings(self.auth).expect("the home is there");
        // Each must know the other's name before it starts, and the names have their ports in them: so auth-service's
        // socket comes first, then all of resource-service, which does not wait for its issuer, then all of auth-service.
        let listener = bind(self.ports.0).await;
        let address = listener.local_addr();
        let issuer = auth_config.issuer.clone();
        let name = issuer.clone().unwrap_or_else(|| format!("http://localhost:{}", address.port()));
        let resource = resource_home.start(&name, |config| {
            config.listen = free(self.ports.1).unwrap_or(config.listen);
            config.issuer_connect_to = issuer.map(|_| address.to_string());
            (self.resource)(config);
        });
        let resource = resource.await.expect("resource-service starts");
        resource.id().clone_into(&mut auth_config.first_resource);
        let auth = auth_home.start_on(listener, auth_config).await.expect("auth-service starts");
        resource.introduced().await;
        Stack { auth, resource, auth_home, resource_home }
    }
}

async fn await_refusal(mut present: impl AsyncFnMut() -> Answer) {
    let refusal = until_some("the revocation arrives", async || Some(present().await).filter(|answer| answer.status() != 200));
    refusal.await.assert_invalid_token();
}

async fn bind(preferred: u16) -> Listener {
    let address = free(preferred).unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
    Listener::bind(address).await.expect("a port is free")
}

/// The loopback address with this port, if it can be listened on.
fn free(port: u16) -> Option<SocketAddr> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).is_ok().then_some(address)
}
