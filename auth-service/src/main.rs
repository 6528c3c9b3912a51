//! The command line of auth-service.

use std::process::ExitCode;

use auth_service::command::{Cli, exit_code};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(Cli::parse().run()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("auth-service: {error:#}");
            exit_code(&error)
        }
    }
}
