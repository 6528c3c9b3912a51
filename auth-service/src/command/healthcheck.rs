//! `healthcheck`: asks the service on this machine whether it is ready.

use std::process::ExitCode;

use shared::server::healthcheck;

use crate::config::Settings;

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    healthcheck::ask(settings.listen_address()?).await?;
    Ok(ExitCode::SUCCESS)
}
