//! `apply`: the desired state in a file.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{config::Settings, operator::ApplyOptions};

/// What to apply, and how far to go.
#[derive(Args)]
pub(super) struct Apply {
    /// The file (TOML)
    #[arg(short, long)]
    file: PathBuf,
    /// Only print the difference
    #[arg(long)]
    dry_run: bool,
    /// Remove what the file does not name; the issuer's own resource, the role `admin` and the last administrator stay
    #[arg(long)]
    prune: bool,
    /// Set the passwords of users that exist already, too
    #[arg(long)]
    reset_passwords: bool,
}

pub(super) async fn run(apply: Apply, settings: Settings) -> anyhow::Result<ExitCode> {
    let options = ApplyOptions { dry_run: apply.dry_run, prune: apply.prune, reset_passwords: apply.reset_passwords };
    super::operate(settings, async |operator| {
        let lines = operator.apply(&apply.file, options).await?;
        for line in &lines {
            println!("{line}");
        }
        match (lines.len(), options.dry_run) {
            (0, _) => println!("nothing to change"),
            (count, true) => println!("{count} to change"),
            (count, false) => println!("{count} changed"),
        }
        Ok(())
    })
    .await
}
