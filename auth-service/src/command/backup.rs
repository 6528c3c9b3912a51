//! `backup` and `restore` of the embedded database.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    backup::{self, RestoreOptions},
    config::Settings,
};

/// Where the backup goes.
#[derive(Args)]
pub(super) struct Backup {
    /// A file that does not exist yet
    file: PathBuf,
}

/// Which backup is restored, and how.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    /// Also while a service holds the database; restart it afterwards
    #[arg(long)]
    force: bool,
    /// Let the sessions of the backup live on, those included that were ended since
    #[arg(long)]
    keep_sessions: bool,
}

pub(super) async fn back_up(backup: Backup, settings: Settings) -> anyhow::Result<ExitCode> {
    backup::backup(&settings.check()?, &backup.file).await?;
    println!("{} holds the database, and was opened to prove it; keep the master keys apart from it", backup.file.display());
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(restore: Restore, settings: Settings) -> anyhow::Result<ExitCode> {
    let options = RestoreOptions { force: restore.force, keep_sessions: restore.keep_sessions };
    if let Some(old) = backup::restore(&settings.check()?, &restore.file, options).await? {
        println!("the database that was there is now {}", old.display());
    }
    println!("restored");
    Ok(ExitCode::SUCCESS)
}
