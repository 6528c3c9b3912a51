//! `serve`: run the service until it is told to stop.

use anyhow::Context;
use shared::server::{shutdown, telemetry};
use tracing::{info, warn};

use crate::{App, Profile, config::Settings};

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let log = settings.log.clone();
    let config = settings.check()?;
    let telemetry = telemetry::init(&log, telemetry::Format::Auto, config.traces.as_ref())
        .context("RESOURCE_LOG or RESOURCE_OTLP_ENDPOINT")?;
    let (profile, issuer, has_docs) = (config.profile, config.issuer.clone(), config.docs);
    // A start that waits for its database can be stopped like a service that runs.
    let mut shutdown = std::pin::pin!(shutdown::requested());
    let app = tokio::select! {
        app = App::start(config) => app?,
        () = &mut shutdown => return Ok(()),
    };
    telemetry.publish(app.metrics());
    info!(issuer, "Listening on {}, for access tokens of {issuer}", app.url());
    if has_docs {
        info!("Swagger UI: {}/docs", app.url());
    }
    if let Some(url) = app.metrics_url() {
        info!("Metrics: {url}");
    }
    match profile {
        Profile::Development => warn!("This is a development server; set RESOURCE_PROFILE=production to serve others"),
        Profile::Production => {}
    }
    let served = app.run(shutdown).await;
    telemetry.finish().await;
    served
}
