//! `serve`: the service itself.

use std::process::ExitCode;

use shared::server::{shutdown, telemetry};

use crate::{
    App,
    config::{Profile, Settings},
};

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let _log = telemetry::init(&settings.log, telemetry::Format::Auto)?;
    let config = settings.check()?;
    let profile = config.profile;
    let has_docs = config.docs;
    let app = App::start(config).await?;
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
    app.run(shutdown::requested()).await?;
    Ok(ExitCode::SUCCESS)
}
