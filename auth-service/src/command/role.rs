//! `role`: naming sets of scopes.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use shared::scope::Scope;

use super::output::Output;
use crate::{config::Settings, operator::Operator};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a role and its scopes, unless it is known
    Add {
        /// Its name
        name: String,
        /// Its scopes, separated by spaces
        #[arg(long, default_value = "", value_parser = super::scope::parse)]
        scope: Scope,
    },
    /// List the roles and their scopes
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Remove a role, also from everybody who holds it
    Remove {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| change(command, operator).await).await
}

async fn change(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::Add { name, scope } => operator.add_role(&name, &scope).await?,
        Command::List { output } => {
            let roles = operator.snapshot().await?.roles;
            output.list(&["name", "scopes"], roles.iter().map(|(name, scopes)| vec![json!(name), json!(scopes)]).collect());
        }
        Command::Remove { name } => operator.remove_role(&name).await?,
    }
    Ok(())
}
