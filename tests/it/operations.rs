//! Every command of the operations page does what the page says.
//!
//! A fenced block ```` ```sh run ```` is run with bash, all of them in one shell and in their order, with both services on the
//! path and the settings that every installation has. Blocks ```` ```sh run postgresql ```` are run in a second shell, with a
//! PostgreSQL server whose URLs are in `SUPERUSER`, `OWNER` and `APP`, and `DOCUMENTS_OWNER` and `DOCUMENTS_APP` for the other
//! service.

use std::{fs, os::unix::fs::symlink, path::Path, process::Stdio};

use tests::{ADMIN_PASSWORD, PostgresqlServer, free_address};
use tokio::{io::AsyncWriteExt, process::Command};

/// The blocks of the page with this information, one script.
fn script(information: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = fs::read_to_string(page).expect("there is an operations page");
    let mut script = String::new();
    let mut is_ours = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(info) => is_ours = info.trim() == information,
            None if is_ours => {
                script.push_str(line);
                script.push('\n');
            }
            None => {}
        }
    }
    assert!(!script.is_empty(), "the page has commands");
    // Whatever it has started ends with it.
    format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}")
}

async fn run(script: &str, environment: &[(&str, String)]) {
    let home = tempfile::tempdir().expect("a directory");
    let programs = tempfile::tempdir().expect("a directory");
    for service in ["auth-service", "resource-service"] {
        symlink(env!("CARGO_BIN_EXE_command-line"), programs.path().join(service)).expect("a link can be made");
    }
    // They are bound again after every restart, so nobody else may be given them in between.
    let (address, resource_address) = (free_address(), free_address());
    let issuer = format!("http://localhost:{}", address.port());
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash")
        .args(["-euo", "pipefail", "-x", "-s"])
        .current_dir(home.path())
        .env("PATH", path)
        .env("AUTH_LISTEN", address.to_string())
        .env("AUTH_METRICS_LISTEN", "off")
        .env("AUTH_DATA_DIR", home.path().join("data"))
        .env("AUTH_ISSUER", &issuer)
        .env("AUTH_BOOTSTRAP_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .env("AUTH_LOG", "error")
        .env("RESOURCE_LISTEN", resource_address.to_string())
        .env("RESOURCE_METRICS_LISTEN", "off")
        .env("RESOURCE_DATA_DIR", home.path().join("documents"))
        .env("RESOURCE_ISSUER", &issuer)
        .env("RESOURCE_LOG", "error")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash is there");
    bash.stdin.take().expect("it is piped").write_all(script.as_bytes()).await.expect("bash reads");
    let output = bash.wait_with_output().await.expect("bash ends");
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complaints}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_page_does_what_it_says() {
    run(&script("sh run"), &[]).await;
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
    run(&script("sh run postgresql"), &environment).await;
}
