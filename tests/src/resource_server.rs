//! resource-service: where it lives, and one run of it.

use std::time::Duration;

use resource_service::{App, Config};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{Http, TestDatabase, running::Running};

/// How long it may take to hear of an issuer that is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a resource-service leaves behind between two starts: its database and the issuer's keys.
pub struct ResourceHome {
    database: TestDatabase,
    directory: TempDir,
}

impl ResourceHome {
    /// A home in which no resource-service has ever been started.
    pub async fn new() -> Self {
        let directory = temporary_directory();
        Self { database: TestDatabase::create(directory.path()).await, directory }
    }

    /// The same with an embedded database, whatever the environment says.
    pub fn embedded() -> Self {
        let directory = temporary_directory();
        Self { database: TestDatabase::embedded(directory.path()), directory }
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

    /// Starts the service on a free port, trusting this issuer, with these changes to the settings of a development server.
    pub async fn start(&self, issuer: &str, change: impl FnOnce(&mut Config)) -> anyhow::Result<ResourceServer> {
        let mut config = Config::development(self.directory.path());
        config.database_url = Some(self.database.url().into());
        issuer.clone_into(&mut config.issuer);
        change(&mut config);
        let id = config.id.clone();
        // Boxed, or the whole start-up would be part of every test's own future.
        let app = Box::pin(App::start(config)).await?;
        let http = Http::at(app.url());
        let id = id.unwrap_or_else(|| app.url().to_owned());
        Ok(ResourceServer { id, http, running: Running::spawn(|stop| app.run(stop.requested())) })
    }
}

/// A running resource-service.
pub struct ResourceServer {
    id: String,
    http: Http,
    running: Running,
}

impl ResourceServer {
    /// Its identifier: the audience of its access tokens.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it answers at.
    pub const fn http(&self) -> &Http {
        &self.http
    }

    /// Waits until it has heard of its issuer, if it can: on a busy machine it asked before there was anybody to answer, and
    /// asks again a moment later.
    pub(crate) async fn introduced(&self) {
        let ready = async {
            while let Ok(answer) = self.http.get("/health/ready").try_send().await
                && answer.status() == 503
            {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = timeout(PATIENCE, ready).await;
    }

    /// Stops it in good order.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

fn temporary_directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}
