//! `openapi`: the document that describes the HTTP interface.

use std::process::ExitCode;

use crate::{App, Config};

pub(super) async fn run() -> anyhow::Result<ExitCode> {
    let directory = std::env::temp_dir().join(format!("auth-service-openapi-{}", std::process::id()));
    let document = match Config::development(&directory) {
        Ok(config) => App::start(config).await.map(|app| app.document().to_owned()),
        Err(error) => Err(error),
    };
    std::fs::remove_dir_all(&directory)?;
    println!("{}", document?);
    Ok(ExitCode::SUCCESS)
}
