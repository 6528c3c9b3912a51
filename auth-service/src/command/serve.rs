//! `serve`: the service itself.

use std::process::ExitCode;

use anyhow::Context;
use shared::server::{shutdown, telemetry};

use crate::{
    App,
    config::{Profile, Settings},
};

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let log = settings.log.clone();
    let config = settings.check()?;
    let telemetry =
        telemetry::init(&log, telemetry::Format::Auto, config.traces.as_ref()).context("AUTH_LOG or AUTH_OTLP_ENDPOINT")?;
    let profile = config.profile;
    let has_docs = config.docs;
    let app = App::start(config).await?;
    telemetry.publish(app.metrics());
    tracing::info!("Listening on {}", app.url());
    if has_docs {
        tracing::info!("Swagger UI: {}/docs", app.url());
    }
    match profile {
        Profile::Development => tracing::warn!("This is a development server; set AUTH_PROFILE=production to serve others"),
        Profile::Production | Profile::Strict => {}
    }
    if let Some((username, password)) = app.first_admin() {
        // Not through the log: a log is kept.
        eprintln!(
            "\n  The first administrator has been created. This is shown once:\n\n    user name  {username}\n    password   {password}\n"
        );
    }
    let served = app.run(shutdown::requested()).await;
    telemetry.finish().await;
    served?;
    Ok(ExitCode::SUCCESS)
}
