//! auth-service: where it lives, and one run of it.

use std::net::Ipv4Addr;

use auth_service::{App, Config, HashCost, NewClient, Operator, Sealer};
use secrecy::ExposeSecret;
use shared::server::listener::Listener;
use tempfile::TempDir;

use crate::{ADMIN_PASSWORD, Http, OAuthClient, PASSWORD, PostgresqlServer, TestDatabase, jwt::SigningKey, running::Running};

/// The name under which a development server keeps its master key.
const MASTER_KEY: &str = "master.key";

/// A hash that costs nothing to speak of: what tests are about is never how slow it is.
const CHEAP: HashCost = HashCost { memory_kib: 64, passes: 1, lanes: 1 };

/// What an auth-service leaves behind between two starts: its database and its master key.
pub struct AuthHome {
    database: TestDatabase,
    directory: TempDir,
}

impl AuthHome {
    /// A home in which no auth-service has ever been started.
    pub async fn new() -> Self {
        let directory = temporary_directory();
        Self { database: TestDatabase::create(directory.path()).await, directory }
    }

    /// The same with an embedded database, whatever the environment says.
    pub fn embedded() -> Self {
        let directory = temporary_directory();
        Self { database: TestDatabase::embedded(directory.path()), directory }
    }

    /// The same on a PostgreSQL server of the test's own, reached by way of a port if one is given.
    pub async fn on(server: &PostgresqlServer, port: Option<u16>) -> Self {
        Self { database: TestDatabase::create_on(server, port).await, directory: temporary_directory() }
    }

    /// The same on a database that is there.
    pub fn at(url: &str) -> Self {
        Self { database: TestDatabase::at(url), directory: temporary_directory() }
    }

    /// Its database.
    pub const fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Its data directory.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The settings of a development server that lives here.
    pub fn config(&self) -> Config {
        self.settings(|_| {}).expect("the home is there")
    }

    /// Starts the service on a free port, with these changes to the settings of a development server.
    pub async fn start(&self, change: impl FnOnce(&mut Config)) -> anyhow::Result<AuthServer> {
        let config = self.settings(change)?;
        self.start_on(Listener::bind((Ipv4Addr::LOCALHOST, 0)).await?, config).await
    }

    /// Starts two replicas at once, under one name.
    pub async fn start_two(&self) -> [AuthServer; 2] {
        let start = || self.start(|config| config.issuer = Some("http://issuer.example".to_owned()));
        let (one, other) = tokio::join!(start(), start());
        [one.expect("the one starts"), other.expect("the other starts")]
    }

    /// Starts the service behind a socket that is bound already, with these changes to the settings of a development server.
    pub async fn start_behind(&self, listener: Listener, change: impl FnOnce(&mut Config)) -> anyhow::Result<AuthServer> {
        let config = self.settings(change)?;
        self.start_on(listener, config).await
    }

    /// The settings of a development server, with these changes.
    pub(crate) fn settings(&self, change: impl FnOnce(&mut Config)) -> anyhow::Result<Config> {
        let mut config = Config::development(self.directory.path())?;
        config.database_url = self.database.url().into();
        config.hash_cost = CHEAP;
        config.bootstrap_admin_password = Some(ADMIN_PASSWORD.into());
        // Tests log in wrongly a lot, at once and from one address; those that are about being slowed down say so.
        config.login_throttle = false;
        change(&mut config);
        Ok(config)
    }

    /// Starts the service behind a socket that is bound already.
    pub(crate) async fn start_on(&self, listener: Listener, config: Config) -> anyhow::Result<AuthServer> {
        let issuer = config.issuer.clone();
        // Boxed, or the whole start-up would be part of every test's own future.
        let app = Box::pin(App::start_on(listener, config)).await?;
        let (http, operator) = (Http::at(app.url()), app.operator());
        let issuer = issuer.unwrap_or_else(|| app.url().to_owned());
        Ok(AuthServer { issuer, http, operator, running: Running::spawn(|stop| app.run(stop.requested())) })
    }

    /// The key that the service signs with, as only its operator could take it: from the database, with the master key.
    pub async fn signing_key(&self) -> SigningKey {
        let sealer = Sealer::keep_in(&self.directory.path().join(MASTER_KEY)).expect("the service has made its master key");
        let row = self.database.row("SELECT id, sealed FROM signing_key").await;
        let (id, private): (String, Vec<u8>) = (row.try_get("", "id").expect("an id"), row.try_get("", "sealed").expect("bytes"));
        SigningKey::from_pkcs1(&sealer.unseal(&private, &id).expect("the service could unseal it"))
    }
}

/// A running auth-service.
pub struct AuthServer {
    issuer: String,
    http: Http,
    operator: Operator,
    running: Running,
}

impl AuthServer {
    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What it answers at.
    pub const fn http(&self) -> &Http {
        &self.http
    }

    /// A client application of it: the one that every development server knows.
    pub fn client(&self) -> OAuthClient {
        OAuthClient::first_party(self.http.clone())
    }

    /// What its operator may do.
    pub const fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Registers a client, and returns it as it would be set up: with its secret, if it can keep one.
    pub async fn register(&self, new: NewClient) -> OAuthClient {
        let id = new.id.clone();
        match self.operator.add_client(new).await.expect("the client is acceptable") {
            Some(secret) => self.client().basic(&id, secret.expose_secret()),
            None => self.client().public(&id),
        }
    }

    /// Creates a user whose password is [`PASSWORD`], and returns their identifier.
    pub async fn user(&self, username: &str, roles: &[&str]) -> String {
        self.user_with(username, PASSWORD, roles).await
    }

    /// Creates a user with a password of their own, and returns their identifier.
    pub async fn user_with(&self, username: &str, password: &str, roles: &[&str]) -> String {
        self.operator.add_user(username, password, roles).await.expect("the user is acceptable")
    }

    /// Stops it in good order.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

fn temporary_directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}
