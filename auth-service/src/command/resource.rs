//! `resource`: making protected resources known.

use std::process::ExitCode;

use clap::Subcommand;
use shared::{scope::Scope, server::settings};

use crate::config::Settings;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a protected resource and its scopes, unless it is known
    Add {
        /// Its identifier: the URL that is the audience of its tokens
        #[arg(value_parser = settings::url)]
        id: String,
        /// Its scopes, separated by spaces; a scope belongs to one resource
        #[arg(long, default_value = "", value_parser = super::scope::parse)]
        scope: Scope,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    let Command::Add { id, scope } = command;
    super::operate(settings, async |operator| operator.add_resource(&id, &scope).await).await
}
