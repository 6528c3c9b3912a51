//! `healthcheck`: ask the service on this machine whether it is ready.

use shared::server::{healthcheck, settings::socket_addr};

use crate::config::Settings;

pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let address = socket_addr(&settings.listen).map_err(|error| anyhow::anyhow!("RESOURCE_LISTEN: {error}"))?;
    Ok(healthcheck::ask(address, settings.tls_cert.is_some()).await?)
}
