//! `export` and `import`: a whole deployment on its way to another database.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{config::Settings, transfer};

/// Where everything is written.
#[derive(Args)]
pub(super) struct Export {
    /// A file that does not exist yet
    file: PathBuf,
}

/// Where everything comes from.
#[derive(Args)]
pub(super) struct Import {
    /// An export
    file: PathBuf,
}

pub(super) async fn export(export: Export, settings: Settings) -> anyhow::Result<ExitCode> {
    let rows = transfer::export(&settings.check()?, &export.file).await?;
    println!("{} holds {rows} rows; the master keys are not in it", export.file.display());
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn import(import: Import, settings: Settings) -> anyhow::Result<ExitCode> {
    let rows = transfer::import(&settings.check()?, &import.file).await?;
    println!("{rows} rows are in place; the keys can be unsealed, and the audit trail holds");
    Ok(ExitCode::SUCCESS)
}
