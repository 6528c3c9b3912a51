//! `resource`: making protected resources known.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use shared::{scope::Scope, server::settings};

use super::output::Output;
use crate::{config::Settings, operator::Operator};

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
    /// List the resources and their scopes
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Remove a resource and its scopes, also from roles
    Remove {
        /// Its identifier
        id: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| change(command, operator).await).await
}

async fn change(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::Add { id, scope } => operator.add_resource(&id, &scope).await?,
        Command::List { output } => {
            let resources = operator.snapshot().await?.resources;
            output.list(&["id", "scopes"], resources.iter().map(|(id, scopes)| vec![json!(id), json!(scopes)]).collect());
        }
        Command::Remove { id } => operator.remove_resource(&id).await?,
    }
    Ok(())
}
