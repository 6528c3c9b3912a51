//! The real programs, as they were built beside this one, on embedded databases in a temporary directory, or on a PostgreSQL
//! server of their own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tests::{PostgresqlServer, free_address};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{
    client::Connection,
    pin,
    request::{get, post},
    usage::Usage,
};

/// Of the one person who lives here.
const PASSWORD: &str = "correct horse battery staple";
const PATIENCE: Duration = Duration::from_secs(30);

/// Where auth-service keeps what it knows, and what else it is told.
#[derive(Default)]
struct Manner {
    postgresql: Option<PostgresqlServer>,
    settings: Vec<(&'static str, String)>,
}

/// Both services while they run.
pub(crate) struct Services {
    directory: TempDir,
    manner: Manner,
    programs: PathBuf,
    auth_port: u16,
    resource_port: u16,
    auth: Child,
    resource: Child,
    /// The secret of the client `nightly`, which may use client credentials and read documents.
    nightly: String,
    /// The secret of the client `brief`, which may do the same, but whose tokens live for [`Services::BRIEF`].
    pub(crate) brief: String,
    /// The secret of the client `documents-api`, which may look at tokens for the documents.
    introspecting: String,
}

/// How long a start takes, and what it leaves in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartUp {
    /// From the start of auth-service on an existing database to the first token.
    pub(crate) first_token: Duration,
    /// What auth-service and resource-service hold before anybody asked anything.
    pub(crate) idle: [Usage; 2],
}

impl Services {
    /// The shortest life that a token can have.
    pub(crate) const BRIEF: Duration = Duration::from_secs(5);
    /// How often a start is measured.
    const STARTS: usize = 5;

    /// Starts both, with a user and the clients that the scenarios need.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with(Manner::default()).await
    }

    /// The same, but nobody is told to wait after a wrong password.
    pub(crate) async fn start_unthrottled() -> anyhow::Result<Self> {
        Self::start_with(Manner { settings: vec![("AUTH_LOGIN_THROTTLE", "off".to_owned())], ..Manner::default() }).await
    }

    /// The same, with auth-service on a PostgreSQL server that commits to the disk, on the generator's core; none where
    /// PostgreSQL is not installed.
    pub(crate) async fn start_on_postgresql() -> anyhow::Result<Option<Self>> {
        let Some(server) = PostgresqlServer::start_durable() else { return Ok(None) };
        let settings = vec![("AUTH_DATABASE_URL", server.url("postgres"))];
        Self::start_with(Manner { postgresql: Some(server), settings }).await.map(Some)
    }

    async fn start_with(manner: Manner) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let programs = std::env::current_exe()?.parent().context("a program is in a directory")?.to_owned();
        let (auth_port, resource_port) = (free_address().port(), free_address().port());
        let settings = auth_settings(&manner, directory.path(), auth_port, resource_port);
        let auth = serve(&programs, "auth-service", settings)?;
        let resource = serve(&programs, "resource-service", resource_settings(directory.path(), auth_port, resource_port))?;
        let mut services = Self {
            directory,
            manner,
            programs,
            auth_port,
            resource_port,
            auth,
            resource,
            nightly: String::new(),
            brief: String::new(),
            introspecting: String::new(),
        };
        await_ready(&services.auth_address()).await?;
        await_ready(&services.resource_address()).await?;
        services.operate(&["user", "add", "ada", "--role", "editor"], PASSWORD).await?;
        let resource = services.resource_name();
        let reading = ["--grant", "client_credentials", "--scope", "documents:read", "--role", "reader"];
        let reading = [&reading[..], &["--default-resource", &resource]].concat();
        services.nightly = services.operate(&[&["client", "add", "nightly"], &reading[..]].concat(), "").await?;
        let brief = ["client", "add", "brief", "--access-token-lifetime", "5s"];
        services.brief = services.operate(&[&brief[..], &reading[..]].concat(), "").await?;
        let introspecting = ["client", "add", "documents-api", "--serves", &resource];
        services.introspecting = services.operate(&introspecting, "").await?;
        Ok(services)
    }

    /// Where auth-service listens.
    pub(crate) fn auth_address(&self) -> String {
        format!("127.0.0.1:{}", self.auth_port)
    }

    /// Where resource-service listens.
    pub(crate) fn resource_address(&self) -> String {
        format!("127.0.0.1:{}", self.resource_port)
    }

    /// The identifier of resource-service.
    pub(crate) fn resource_name(&self) -> String {
        format!("http://localhost:{}", self.resource_port)
    }

    /// What auth-service has used up.
    pub(crate) fn auth_usage(&self) -> Usage {
        Usage::of(self.auth.id())
    }

    /// What resource-service has used up.
    pub(crate) fn resource_usage(&self) -> Usage {
        Usage::of(self.resource.id())
    }

    /// Runs a command of auth-service on its database, with this on its standard input, and returns what it prints.
    pub(crate) async fn operate(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = pin::command(&self.programs.join("auth-service"), pin::GENERATOR);
        let settings = self.auth_settings();
        let mut child =
            command.args(arguments).envs(settings).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("the command has an input")?;
        stdin.write_all(format!("{input}\n").as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        ensure!(output.status.success(), "auth-service {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Restarts auth-service on the database it has, a few times, and both for their memory at rest.
    pub(crate) async fn start_up(mut self) -> anyhow::Result<StartUp> {
        let mut first_tokens = Vec::new();
        for _ in 0..Self::STARTS {
            first_tokens.push(self.restart().await?);
        }
        first_tokens.sort_unstable();
        self.auth.kill().await?;
        self.resource.kill().await?;
        let settings = self.auth_settings();
        self.auth = serve(&self.programs, "auth-service", settings)?;
        let settings = resource_settings(self.directory.path(), self.auth_port, self.resource_port);
        self.resource = serve(&self.programs, "resource-service", settings)?;
        await_ready(&self.auth_address()).await?;
        await_ready(&self.resource_address()).await?;
        let idle = [self.auth_usage(), self.resource_usage()];
        Ok(StartUp { first_token: first_tokens[Self::STARTS / 2], idle })
    }

    /// Stops auth-service, so that nobody is at its database.
    pub(crate) async fn stop_issuer(&mut self) -> anyhow::Result<()> {
        Ok(self.auth.kill().await?)
    }

    /// The database of auth-service.
    pub(crate) fn database_url(&self) -> String {
        match &self.manner.postgresql {
            Some(server) => server.url("postgres"),
            None => format!("sqlite:{}", self.directory.path().join("auth/auth.db").display()),
        }
    }

    fn auth_settings(&self) -> Vec<(&'static str, String)> {
        auth_settings(&self.manner, self.directory.path(), self.auth_port, self.resource_port)
    }

    /// Starts auth-service on the database it has, and says how long it took to the first token.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<Duration> {
        self.auth.kill().await?;
        let settings = self.auth_settings();
        let began = Instant::now();
        self.auth = serve(&self.programs, "auth-service", settings)?;
        let request = self.client_credentials();
        let first_token = timeout(PATIENCE, async {
            loop {
                if let Ok(mut connection) = Connection::open(&self.auth_address()).await
                    && connection.call(&request).await.is_ok_and(|answer| answer.status == 200)
                {
                    return began.elapsed();
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
        first_token.await.context("auth-service does not come back")
    }

    /// The client `nightly`, and its secret.
    pub(crate) fn nightly(&self) -> (&str, &str) {
        ("nightly", &self.nightly)
    }

    /// The client that looks at tokens, and its secret.
    pub(crate) fn introspecting(&self) -> (&str, &str) {
        ("documents-api", &self.introspecting)
    }

    /// An API key of the one user, to read documents.
    pub(crate) async fn api_key(&self) -> anyhow::Result<String> {
        self.operate(&["api-key", "add", "ada", "--name", "load", "--scope", "documents:read"], "").await
    }

    /// A request for a token on the behalf of `nightly`.
    pub(crate) fn client_credentials(&self) -> Vec<u8> {
        self.client_credentials_of("nightly", &self.nightly)
    }

    /// A request for a token on the behalf of this client.
    pub(crate) fn client_credentials_of(&self, id: &str, secret: &str) -> Vec<u8> {
        self.form("/oauth2/token", Some((id, secret)), &[("grant_type", "client_credentials")])
    }

    /// A login of the one user.
    pub(crate) fn login(&self) -> Vec<u8> {
        self.login_with(PASSWORD)
    }

    /// A login of the one user with this password.
    pub(crate) fn login_with(&self, password: &str) -> Vec<u8> {
        let fields = [("grant_type", "password"), ("username", "ada"), ("password", password)];
        self.form("/oauth2/token", Some(("first-party", "")), &fields)
    }

    /// A form for auth-service, from a client that authenticates by HTTP Basic.
    pub(crate) fn form(&self, path: &str, client: Option<(&str, &str)>, fields: &[(&str, &str)]) -> Vec<u8> {
        post(&format!("localhost:{}", self.auth_port), path, client, fields)
    }
}

fn auth_settings(manner: &Manner, directory: &Path, port: u16, resource_port: u16) -> Vec<(&'static str, String)> {
    let ordinary = [
        ("AUTH_LISTEN", format!("127.0.0.1:{port}")),
        ("AUTH_METRICS_LISTEN", "off".to_owned()),
        ("AUTH_DATA_DIR", directory.join("auth").display().to_string()),
        ("AUTH_FIRST_RESOURCE", format!("http://localhost:{resource_port}")),
        ("AUTH_RATE_LIMITS", "off".to_owned()),
        ("AUTH_LOG", "warn".to_owned()),
    ];
    ordinary.into_iter().chain(manner.settings.iter().cloned()).collect()
}

fn resource_settings(directory: &Path, auth_port: u16, port: u16) -> Vec<(&'static str, String)> {
    vec![
        ("RESOURCE_LISTEN", format!("127.0.0.1:{port}")),
        ("RESOURCE_METRICS_LISTEN", "off".to_owned()),
        ("RESOURCE_DATA_DIR", directory.join("resource").display().to_string()),
        ("RESOURCE_ISSUER", format!("http://localhost:{auth_port}")),
        ("RESOURCE_RATE_LIMITS", "off".to_owned()),
        ("RESOURCE_LOG", "warn".to_owned()),
    ]
}

fn serve(programs: &Path, name: &str, settings: Vec<(&'static str, String)>) -> anyhow::Result<Child> {
    let mut command: Command = pin::command(&programs.join(name), pin::SERVICE);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AUTH_") || name.starts_with("RESOURCE_")) {
        command.env_remove(name);
    }
    let child = command.arg("serve").envs(settings).stdout(Stdio::null()).spawn();
    child.with_context(|| format!("{name} is not built beside this program"))
}

async fn await_ready(address: &str) -> anyhow::Result<()> {
    let request = get(address, "/health/ready", &[]);
    let ready = async {
        loop {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.call(&request).await.is_ok_and(|answer| answer.status == 200)
            {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, ready).await.with_context(|| format!("what listens on {address} does not become ready"))
}
