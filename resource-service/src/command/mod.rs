//! The command line: one file per verb.

mod healthcheck;
mod openapi;
mod serve;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Settings;

/// A documents API guarded by access tokens that it verifies locally.
///
/// Every setting is a flag and an environment variable; the flag wins.
#[derive(Debug, Parser)]
#[command(name = "resource-service", version)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Run the service (the default)
    Serve,
    /// Ask a running service on this machine whether it is ready; exit code 0 if it is
    Healthcheck,
    /// Print the description of the API that /openapi.json serves
    Openapi,
}

/// Reads the command line and runs the command.
pub async fn run() -> anyhow::Result<()> {
    // Settings may stand before or behind the command.
    let matches = CommandLine::command().mut_args(|argument| argument.global(true)).get_matches();
    let CommandLine { command, settings } = CommandLine::from_arg_matches(&matches)?;
    match command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(settings).await,
        Command::Healthcheck => healthcheck::run(&settings).await,
        Command::Openapi => openapi::run(settings).await,
    }
}
