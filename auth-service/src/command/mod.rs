//! The command line: one file per verb, each calling the domain as HTTP does.

mod api_key;
mod apply;
mod audit;
mod backup;
mod client;
mod doctor;
mod healthcheck;
mod key;
mod migrate;
mod openapi;
mod output;
mod resource;
mod role;
mod scope;
mod serve;
mod session;
mod token;
mod transfer;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    account::AccountError,
    client::ClientChangeError,
    config::Settings,
    operator::{NotFound, Operator},
};

/// The exit code for something that does not exist; clap's own for a wrong command line is 2.
const NOT_FOUND: u8 = 3;

/// Logs people in and issues RS256-signed JWT access tokens (RFC 9068)
///
/// Every setting is a flag and an environment variable; secrets may also be given as files. With nothing set it is a safe
/// development server on loopback.
///
/// Exit codes: 0 done, 1 failed, 2 wrong command line, 3 there is nothing of that name.
#[derive(Parser)]
#[command(name = "auth-service", version, args_conflicts_with_subcommands = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop (the default)
    Serve,
    /// Bring the schema of the database up to date, and nothing else
    Migrate,
    /// Bring users, roles, clients and resources to the state that a file describes; a second time changes nothing
    Apply(apply::Apply),
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
    /// Say what a token is and why it is refused
    #[command(subcommand)]
    Token(token::Command),
    /// Read, export and prove the audit trail
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look at settings, database, keys, clocks and the issuer's URL, and say what to do; exit code 1 if something is broken
    Doctor(output::Output),
    /// Write a consistent copy of the embedded database to a new file, while the service runs
    Backup(backup::Backup),
    /// Put a backup in place of the embedded database; all sessions end
    Restore(backup::Restore),
    /// Write everything in the database, PostgreSQL or embedded, to a new file that `import` reads
    Export(transfer::Export),
    /// Put an export into an empty database, which may be of the other kind; tokens and sessions live on
    Import(transfer::Import),
    /// Ask a running service on this machine whether it is ready; exit code 0 if so
    Healthcheck,
    /// Print the OpenAPI document
    Openapi,
}

impl Cli {
    /// Runs the command.
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command.unwrap_or(Command::Serve) {
            // Boxed, or the whole start-up would be part of the future of every command.
            Command::Serve => Box::pin(serve::run(self.settings)).await,
            Command::Migrate => migrate::run(self.settings).await,
            Command::Apply(apply) => apply::run(apply, self.settings).await,
            Command::User(command) => user::run(command, self.settings).await,
            Command::Resource(command) => resource::run(command, self.settings).await,
            Command::Role(command) => role::run(command, self.settings).await,
            Command::Client(command) => client::run(command, self.settings).await,
            Command::ApiKey(command) => api_key::run(command, self.settings).await,
            Command::Session(command) => session::run(command, self.settings).await,
            Command::Key(command) => key::run(command, self.settings).await,
            Command::Token(command) => token::run(command, self.settings).await,
            Command::Audit(command) => audit::run(command, self.settings).await,
            Command::Doctor(output) => doctor::run(output, self.settings).await,
            Command::Backup(backup) => backup::back_up(backup, self.settings).await,
            Command::Restore(restore) => backup::restore(restore, self.settings).await,
            Command::Export(export) => transfer::export(export, self.settings).await,
            Command::Import(import) => Box::pin(transfer::import(import, self.settings)).await,
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

/// Reads the command line, runs the command and says on standard error what went wrong.
pub async fn main() -> ExitCode {
    match Box::pin(Cli::parse().run()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("auth-service: {error:#}");
            exit_code(&error)
        }
    }
}

/// What a failure tells a script: 3 if there is nothing of that name, 1 for everything else.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_missing = error.chain().any(|cause| {
        cause.is::<NotFound>()
            || matches!(cause.downcast_ref(), Some(AccountError::UnknownUser(_)))
            || matches!(cause.downcast_ref(), Some(ClientChangeError::NoSuchClient(_) | ClientChangeError::NotConfidential(_)))
    });
    if is_missing { ExitCode::from(NOT_FOUND) } else { ExitCode::FAILURE }
}
