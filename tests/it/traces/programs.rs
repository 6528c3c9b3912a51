//! Both services as programs: what they log and where their spans go is of a whole process.

use std::{fs::File, path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tests::{ADMIN_PASSWORD, AuthHome, Http, OAuthClient, PATIENCE, ResourceHome, free_address};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

/// Both services, trusting each other.
pub(super) struct Programs {
    pub(super) auth: Program,
    pub(super) resource: Program,
    auth_home: AuthHome,
    _resource_home: ResourceHome,
}

/// One of them.
pub(super) struct Program {
    child: Child,
    http: Http,
    metrics: Http,
    log: PathBuf,
}

impl Programs {
    /// Starts them, and waits until they are ready; traces go to this collector, if there is one.
    pub(super) async fn start(collector: Option<&str>) -> Self {
        let (auth_home, resource_home) = (AuthHome::new().await, ResourceHome::new().await);
        let [auth_port, resource_port] = [free_address().port(), free_address().port()];
        let [issuer, resource_id] = [auth_port, resource_port].map(|port| format!("http://localhost:{port}"));
        let auth = [
            ("DATA_DIR", auth_home.directory().display().to_string()),
            ("DATABASE_URL", auth_home.database().url().to_owned()),
            ("BOOTSTRAP_ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()),
            ("FIRST_RESOURCE", resource_id),
        ];
        let auth = Program::start("auth-service", auth_port, &auth, collector, auth_home.directory().join("log")).await;
        let resource = [
            ("DATA_DIR", resource_home.directory().display().to_string()),
            ("DATABASE_URL", resource_home.database().url().to_owned()),
            ("ISSUER", issuer),
        ];
        let log = resource_home.directory().join("log");
        let resource = Program::start("resource-service", resource_port, &resource, collector, log).await;
        Self { auth, resource, auth_home, _resource_home: resource_home }
    }

    /// The database of auth-service.
    pub(super) fn auth_home(&self) -> &AuthHome {
        &self.auth_home
    }

    /// An application of a development server.
    pub(super) fn client(&self) -> OAuthClient {
        OAuthClient::first_party(self.auth.http.clone())
    }

    /// Makes an API key for the administrator.
    pub(super) async fn api_key(&self) -> String {
        let token = self.client().scope("account").log_in("admin", ADMIN_PASSWORD).await;
        let wish = serde_json::json!({"name": "of the test", "scope": "documents:read"});
        let made = self.auth.http.post("/account/api-keys").bearer(&token).json(&wish).send().await;
        made.assert_status(201).json()["key"].as_str().expect("a key").to_owned()
    }
}

impl Program {
    async fn start(name: &str, port: u16, settings: &[(&str, String)], collector: Option<&str>, log: PathBuf) -> Self {
        let prefix = if name == "auth-service" { "AUTH_" } else { "RESOURCE_" };
        let metrics_port = free_address().port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_command-line"));
        command.arg0(name).arg("serve").kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).expect("the log can be made"));
        for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with(prefix)) {
            command.env_remove(variable);
        }
        for (setting, value) in settings {
            command.env(format!("{prefix}{setting}"), value);
        }
        command.env(format!("{prefix}LISTEN"), format!("127.0.0.1:{port}"));
        command.env(format!("{prefix}METRICS_LISTEN"), format!("127.0.0.1:{metrics_port}"));
        command.env(format!("{prefix}LOG"), "info");
        if let Some(collector) = collector {
            command.env(format!("{prefix}OTLP_ENDPOINT"), collector);
        }
        let child = command.spawn().expect("the program can be started");
        let at = |port| Http::at(format!("http://localhost:{port}"));
        let mut program = Self { child, http: at(port), metrics: at(metrics_port), log };
        timeout(PATIENCE, program.ready()).await.expect("it becomes ready");
        program
    }

    async fn ready(&mut self) {
        loop {
            if let Ok(answer) = self.http.get("/health/ready").try_send().await
                && answer.status() == 200
            {
                return;
            }
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "it ended before it was ready: {ended:?}\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it answers at.
    pub(super) const fn http(&self) -> &Http {
        &self.http
    }

    /// Its metrics.
    pub(super) async fn metrics(&self) -> String {
        self.metrics.get("/metrics").send().await.text().to_owned()
    }

    /// All that it has logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("there is a log")
    }

    /// The line of the request with this message and this trace, once it is there.
    pub(super) async fn access_line(&self, message: &str, trace: &str) -> Value {
        self.line(message, "trace_id", trace).await
    }

    /// The line with this message and this value of a field, once it is there: a thread of its own writes them.
    pub(super) async fn line(&self, message: &str, field: &str, value: &str) -> Value {
        let logged = async {
            loop {
                let log = self.log();
                let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                let mut lines = lines.filter(|line| line["message"] == message && line[field] == value);
                if let Some(line) = lines.next() {
                    return line;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, logged).await.unwrap_or_else(|_| panic!("no such line:\n{}", self.log()))
    }

    /// Stops it as its operator would, and says whether it ended well.
    pub(super) async fn stop(mut self) -> bool {
        let id = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.expect("it can be told");
        assert!(told.success());
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it was waited for").success()
    }
}
