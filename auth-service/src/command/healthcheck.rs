//! `healthcheck`: asks the service on this machine whether it is ready.

use std::process::ExitCode;

use shared::server::healthcheck;

use crate::config::Settings;

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let is_tls = settings.tls_cert.is_some();
    healthcheck::ask(settings.listen_address()?, is_tls).await?;
    Ok(ExitCode::SUCCESS)
}
