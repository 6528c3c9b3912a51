//! The command line: one file per verb, each calling the domain as HTTP does.

mod api_key;
mod client;
mod healthcheck;
mod key;
mod openapi;
mod resource;
mod role;
mod scope;
mod serve;
mod session;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{config::Settings, operator::Operator};

/// Logs people in and issues RS256-signed JWT access tokens (RFC 9068)
///
/// Every setting is a flag and an environment variable; secrets may also be given as files. With nothing set it is a safe
/// development server on loopback.
#[derive(Parser)]
#[command(name = "auth-service", version, args_conflicts_with_subcommands = false)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop (the default)
    Serve,
    /// Create users and change their passwords
    #[command(subcommand)]
    User(user::Command),
    /// Make protected resources known
    #[command(subcommand)]
    Resource(resource::Command),
    /// Name sets of scopes
    #[command(subcommand)]
    Role(role::Command),
    /// Register clients and rotate their secrets
    #[command(subcommand)]
    Client(client::Command),
    /// Make, see, rotate and revoke API keys
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// See and end people's sessions
    #[command(subcommand)]
    Session(session::Command),
    /// See, rotate and revoke signing keys
    #[command(subcommand)]
    Key(key::Command),
    /// Ask a running service on this machine whether it is ready; exit code 0 if so
    Healthcheck,
    /// Print the OpenAPI document
    Openapi,
}

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command.unwrap_or(Command::Serve) {
            // Boxed, or the whole start-up would be part of the future of every command.
            Command::Serve => Box::pin(serve::run(self.settings)).await,
            Command::User(command) => user::run(command, self.settings).await,
            Command::Resource(command) => resource::run(command, self.settings).await,
            Command::Role(command) => role::run(command, self.settings).await,
            Command::Client(command) => client::run(command, self.settings).await,
            Command::ApiKey(command) => api_key::run(command, self.settings).await,
            Command::Session(command) => session::run(command, self.settings).await,
            Command::Key(command) => key::run(command, self.settings).await,
            Command::Healthcheck => healthcheck::run(self.settings).await,
            Command::Openapi => openapi::run().await,
        }
    }
}

/// Does an operator's work on the database of the settings, beside the service or without it.
async fn operate(settings: Settings, work: impl AsyncFnOnce(&Operator) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(&settings.check()?).await?;
    let done = work(&operator).await;
    operator.close().await?;
    done.map(|()| ExitCode::SUCCESS)
}
