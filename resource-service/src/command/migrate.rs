//! `migrate`: the schema, and nothing else.

use crate::{app, config::Settings};

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let config = settings.check()?;
    // Whoever opens the database brings its schema up to date.
    app::open_database(&config).await?.close().await?;
    println!("the schema is up to date");
    Ok(())
}
