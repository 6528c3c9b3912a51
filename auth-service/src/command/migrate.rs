//! `migrate`: the schema, and nothing else.

use std::process::ExitCode;

use secrecy::ExposeSecret;

use crate::{app, config::Settings, store::Store};

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let config = settings.check()?;
    // Whoever opens the database brings its schema up to date.
    Store::open(config.database_url.expose_secret(), app::POOL_SIZE).await?.close().await?;
    println!("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}
