//! `key`: seeing, rotating and revoking signing keys.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use crate::{
    config::Settings,
    operator::{KeyPlan, Operator},
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the signing keys as a dated plan
    List {
        #[command(flatten)]
        output: Output,
    },
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
        Command::List { output } if output.is_json() => return list(operator, output).await,
        Command::List { .. } => {}
        Command::Rotate { now } => operator.rotate_key(now).await?,
        Command::Revoke { id } => operator.revoke_key(&id).await?,
    }
    show(operator).await
}

async fn list(operator: &Operator, output: Output) -> anyhow::Result<()> {
    let row = |key: KeyPlan| {
        let (id, algorithm, state) = (json!(key.id), json!(key.algorithm), json!(key.state));
        let dates = [json!(key.announced_at), json!(key.sign_from), json!(key.sign_until), json!(key.verify_until)];
        [id, algorithm, state].into_iter().chain(dates).collect()
    };
    let columns = ["id", "algorithm", "state", "announced_at", "sign_from", "sign_until", "verify_until"];
    output.list(&columns, operator.keys().await?.into_iter().map(row).collect());
    Ok(())
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
