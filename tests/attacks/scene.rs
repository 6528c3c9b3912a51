//! The programs that are pressed on, and the requests that they know.

use std::{env, fs, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tests::{AuthProcess, AuthProgram, PASSWORD, PATIENCE, free_address};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{
    client::Connection,
    request::{get, post},
};

/// auth-service as a program of its own, with people and clients.
pub(crate) struct Scene {
    program: AuthProgram,
    pub(crate) process: AuthProcess,
    resource: String,
    /// Of the client `batch`, which may use client credentials.
    pub(crate) secret: String,
}

/// resource-service as a program of its own, killed at the end.
pub(crate) struct Resource {
    _child: Child,
    _directory: TempDir,
    pub(crate) address: String,
}

impl Scene {
    /// Starts it. Guesses and requests are not limited: what is asked is what it takes to answer them.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let program = env::current_exe()?.parent().context("a program is in a directory")?.join("command-line");
        let resource = format!("http://localhost:{}", free_address().port());
        let program = AuthProgram::new(program).await.setting("AUTH_LOGIN_THROTTLE", "off");
        let program = program.setting("AUTH_FIRST_RESOURCE", &resource);
        let process = program.serve().await;
        for name in ["ada", "gone"] {
            program.expect(&["user", "add", name, "--role", "editor"], PASSWORD).await;
        }
        program.expect(&["user", "disable", "gone"], "").await;
        let batch = ["client", "add", "batch", "--grant", "client_credentials", "--scope", "documents:read", "--role", "reader"];
        let secret = program.expect(&[&batch[..], &["--default-resource", &resource]].concat(), "").await.trim().to_owned();
        Ok(Self { program, process, resource, secret })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        self.process.http().base().replace("http://localhost", "127.0.0.1")
    }

    /// Its database.
    pub(crate) fn database(&self) -> &tests::TestDatabase {
        self.program.home().database()
    }

    /// Runs one of its commands.
    pub(crate) async fn operate(&self, arguments: &[&str]) -> String {
        self.program.expect(arguments, "").await
    }

    /// Starts the API that its tokens are for.
    pub(crate) async fn resource(&self) -> anyhow::Result<Resource> {
        let directory = tempfile::tempdir()?;
        let port = self.resource.rsplit(':').next().context("it has a port")?;
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(env::current_exe()?.with_file_name("command-line"))
            .arg0("resource-service")
            .arg("serve")
            .envs([
                ("RESOURCE_ISSUER", self.process.http().base()),
                ("RESOURCE_ID", &self.resource),
                ("RESOURCE_LISTEN", &address),
                ("RESOURCE_METRICS_LISTEN", "off"),
                ("RESOURCE_RATE_LIMITS", "off"),
                ("RESOURCE_LOG", "error"),
            ])
            .env("RESOURCE_DATA_DIR", directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let ready = async {
            loop {
                if let Ok(mut connection) = Connection::open(&address).await
                    && connection.call(&get(&address, "/health/ready", &[])).await.is_ok_and(|answer| answer.status == 200)
                {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, ready).await.context("resource-service does not become ready")?;
        Ok(Resource { _child: child, _directory: directory, address })
    }

    /// A password grant of the public client.
    pub(crate) fn login(&self, username: &str, password: &str) -> Vec<u8> {
        let form = [("grant_type", "password"), ("username", username), ("password", password), ("client_id", "first-party")];
        self.token_request(None, &form)
    }

    /// Client credentials of a client with this secret.
    pub(crate) fn client_credentials(&self, client: &str, secret: &str) -> Vec<u8> {
        self.token_request(Some((client, secret)), &[("grant_type", "client_credentials")])
    }

    /// An API key shown for a token.
    pub(crate) fn exchange(&self, key: &str) -> Vec<u8> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", key),
            ("subject_token_type", "urn:x-oauth:token-type:api-key"),
        ];
        self.token_request(None, &form)
    }

    /// The request for the next tokens of a session.
    pub(crate) fn refresh(&self, token: &str) -> Vec<u8> {
        self.token_request(None, &[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "first-party")])
    }

    fn token_request(&self, client: Option<(&str, &str)>, form: &[(&str, &str)]) -> Vec<u8> {
        post(&self.address(), "/oauth2/token", client, form)
    }
}

/// A measure of a process's memory in MiB, as `/proc` has it: `VmRSS` now, `VmHWM` at the most.
pub(crate) fn memory(process: u32, measure: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(measure)?.strip_prefix(':')).context("it is measured")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    ensure!(kib > 0.0, "a process has some memory");
    Ok(kib / 1024.0)
}
