//! `key`: seeing, rotating and revoking signing keys.

use std::process::ExitCode;

use clap::Subcommand;

use crate::{config::Settings, operator::Operator};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the signing keys as a dated plan
    List,
    /// Announce the next key now instead of on schedule
    Rotate {
        /// Let it sign at once: for emergencies, since verifiers must fetch it first
        #[arg(long)]
        now: bool,
    },
    /// Revoke a key: what it signed is worthless as soon as verifiers have the new key set; another key signs at once
    Revoke {
        /// The key ID
        id: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| change(command, operator).await).await
}

async fn change(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::List => {}
        Command::Rotate { now } => operator.rotate_key(now).await?,
        Command::Revoke { id } => operator.revoke_key(&id).await?,
    }
    show(operator).await
}

async fn show(operator: &Operator) -> anyhow::Result<()> {
    for key in operator.keys().await? {
        println!("{}  {}  {}", key.id, key.algorithm, key.state);
        println!("  announced     {}", key.announced_at);
        println!("  signs from    {}", key.sign_from);
        println!("  signs until   {}", key.sign_until.as_deref().unwrap_or("its successor does"));
        println!("  listed until  {}", key.verify_until.as_deref().unwrap_or("its last token has ended"));
    }
    if let Some(next) = operator.next_announcement().await? {
        println!("the next key is announced at {next}");
    }
    Ok(())
}
