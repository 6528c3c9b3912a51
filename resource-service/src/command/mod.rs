//! The command line: one file per verb.

mod doctor;
mod healthcheck;
mod migrate;
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

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run the service (the default)
    Serve,
    /// Bring the schema of the database up to date, and nothing else; `serve` does so by itself where it may
    Migrate,
    /// Look at settings, database, the issuer, its keys and the clocks, and say what to do; exit code 1 if something is broken
    Doctor {
        /// A table for people, or JSON for programs
        #[arg(long, value_parser = ["table", "json"], default_value = "table", value_name = "FORM")]
        output: String,
    },
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
        Command::Migrate => migrate::run(settings).await,
        Command::Doctor { output } => doctor::run(output == "json", settings).await,
        Command::Healthcheck => healthcheck::run(&settings).await,
        Command::Openapi => openapi::run(settings).await,
    }
}
