//! `role`: naming sets of scopes.

use std::process::ExitCode;

use clap::Subcommand;
use shared::scope::Scope;

use crate::config::Settings;

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
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    let Command::Add { name, scope } = command;
    super::operate(settings, async |operator| operator.add_role(&name, &scope).await).await
}
