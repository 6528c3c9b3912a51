//! `migrate`: the schema, and nothing else.

use std::process::ExitCode;

use crate::config::Settings;

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    // Whoever opens the database brings its schema up to date.
    super::operate(settings, async |_| {
        println!("the schema is up to date");
        Ok(())
    })
    .await
}
