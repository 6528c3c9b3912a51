//! Every command of the operations page does what the page says.
//!
//! A fenced block ```` ```sh run ```` is run with bash, all of them in one shell and in their order, with both services on the
//! path and the settings that every installation has. Blocks ```` ```sh run postgresql ```` are run in a second shell, with a
//! PostgreSQL server whose URLs are in `SUPERUSER`, `OWNER` and `APP`, and `DOCUMENTS_OWNER` and `DOCUMENTS_APP` for the other
//! service.

use std::os::unix::fs::symlink;

use tests::{
    ADMIN_PASSWORD, PostgresqlServer, free_address,
    page::{bash, blocks_of},
};

/// The blocks of the page with this information, one script.
fn script(info: &str) -> String {
    let blocks = blocks_of("docs/operations.md").into_iter().filter(|block| block.info == info);
    let script: String = blocks.map(|block| block.text + "\n").collect();
    assert!(!script.is_empty(), "the page has commands");
    // Whatever it has started ends with it.
    format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}")
}

async fn run(script: &str, environment: impl IntoIterator<Item = (&str, String)>) {
    let home = tempfile::tempdir().expect("a directory");
    let programs = tempfile::tempdir().expect("a directory");
    for service in ["auth-service", "resource-service"] {
        symlink(env!("CARGO_BIN_EXE_command-line"), programs.path().join(service)).expect("a link can be made");
    }
    // They are bound again after every restart, so nobody else may be given them in between.
    let (address, resource_address) = (free_address(), free_address());
    let issuer = format!("http://localhost:{}", address.port());
    let in_home = |name: &str| home.path().join(name).display().to_string();
    let settings = [
        ("PATH", format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap_or_default())),
        ("AUTH_LISTEN", address.to_string()),
        ("AUTH_METRICS_LISTEN", "off".to_owned()),
        ("AUTH_DATA_DIR", in_home("data")),
        ("AUTH_ISSUER", issuer.clone()),
        ("AUTH_BOOTSTRAP_ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()),
        ("AUTH_LOG", "error".to_owned()),
        ("RESOURCE_LISTEN", resource_address.to_string()),
        ("RESOURCE_METRICS_LISTEN", "off".to_owned()),
        ("RESOURCE_DATA_DIR", in_home("documents")),
        ("RESOURCE_ISSUER", issuer),
        ("RESOURCE_LOG", "error".to_owned()),
    ];

    let output = bash(script, home.path(), settings.into_iter().chain(environment)).await;

    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complaints}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_page_does_what_it_says() {
    run(&script("sh run"), []).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_for_postgresql_does_what_it_says() {
    let Some(server) = PostgresqlServer::start() else { return };
    let url = |database: &str, role: &str| server.url(database).replace("postgres@", &format!("{role}@"));
    let environment = [
        ("SUPERUSER", server.url("postgres")),
        ("OWNER", url("auth", "auth_owner")),
        ("APP", url("auth", "auth_app")),
        ("DOCUMENTS_OWNER", url("documents", "documents_owner")),
        ("DOCUMENTS_APP", url("documents", "documents_app")),
    ];
    run(&script("sh run postgresql"), environment).await;
}
