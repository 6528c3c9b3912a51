//! auth-service as a program of its own: what can be killed, and what is run at a command line.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{ADMIN_PASSWORD, AuthHome, Http, OAuthClient, PATIENCE, free_address};

/// Where an auth-service lives that is run as a program: a home, and the settings of its environment.
pub struct AuthProgram {
    program: PathBuf,
    home: Arc<AuthHome>,
    address: SocketAddr,
    settings: Vec<(&'static str, String)>,
}

/// A running auth-service, killed at the end.
pub struct AuthProcess {
    child: Child,
    http: Http,
}

impl AuthProgram {
    /// A home in which this program was never started, on a port that is free now.
    pub async fn new(program: impl Into<PathBuf>) -> Self {
        Self::living_in(program, Arc::new(AuthHome::new().await))
    }

    /// A program that lives in this home, perhaps beside others, on a port that is free now.
    pub fn living_in(program: impl Into<PathBuf>, home: Arc<AuthHome>) -> Self {
        let address = free_address();
        let settings = vec![
            ("AUTH_LISTEN", address.to_string()),
            ("AUTH_METRICS_LISTEN", "off".to_owned()),
            ("AUTH_DATA_DIR", home.directory().display().to_string()),
            ("AUTH_DATABASE_URL", home.database().url().to_owned()),
            ("AUTH_BOOTSTRAP_ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()),
            ("AUTH_RATE_LIMITS", "off".to_owned()),
            ("AUTH_LOG", "error".to_owned()),
        ];
        Self { program: program.into(), home, address, settings }
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// What it leaves behind between two runs.
    pub fn home(&self) -> &AuthHome {
        &self.home
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Starts it, and waits until it is ready.
    pub async fn serve(&self) -> AuthProcess {
        self.serve_as(self.command()).await
    }

    /// The same, with a log that goes into a pipe which nobody reads and is full before long.
    pub async fn serve_unheard(&self) -> AuthProcess {
        let mut command = self.command();
        command.stderr(Stdio::piped());
        self.serve_as(command).await
    }

    /// The same with more in its environment.
    pub async fn serve_with(&self, environment: &[(&str, &str)]) -> AuthProcess {
        let mut command = self.command();
        command.envs(environment.iter().copied());
        self.serve_as(command).await
    }

    async fn serve_as(&self, mut command: Command) -> AuthProcess {
        let child = command.arg("serve").stdout(Stdio::null()).spawn().expect("the program can be started");
        let http = Http::at(format!("http://localhost:{}", self.address.port()));
        let mut process = AuthProcess { child, http };
        timeout(PATIENCE, process.ready()).await.expect("it becomes ready");
        process
    }

    /// Runs one of its commands with this on its standard input.
    pub async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that reads nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.expect("the program ends")
    }

    /// Runs one of its commands, which must succeed, and returns what it prints.
    pub async fn expect(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it prints text")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // The program of the tests is both services; its name says which.
        command.arg0("auth-service");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AUTH_")) {
            command.env_remove(name);
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value))).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

impl AuthProcess {
    /// What it answers at.
    pub const fn http(&self) -> &Http {
        &self.http
    }

    /// A client application of it: the one that every development server knows.
    pub fn client(&self) -> OAuthClient {
        OAuthClient::first_party(self.http.clone())
    }

    /// The number that the system knows it by.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it has not ended")
    }

    /// Asks it to stop, as an orchestrator does.
    pub async fn ask_to_stop(&self) {
        self.signal("-TERM").await;
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it was running")
    }

    /// Kills it on the spot, as `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it was running");
    }

    /// Asks it to stop, and waits for it; whether it did so in good order.
    pub async fn terminate(self) -> bool {
        self.signal("-TERM").await;
        self.ended().await.success()
    }

    /// Freezes it: connections stay open, and nothing answers.
    pub async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    /// Lets it go on.
    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().await.expect("kill is there");
        assert!(sent.success(), "the signal {signal} was sent");
    }

    async fn ready(&mut self) {
        loop {
            if let Ok(answer) = self.http.get("/health/ready").try_send().await
                && answer.status() == 200
            {
                return;
            }
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(ended.is_none(), "the program ended before it was ready: {ended:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}
