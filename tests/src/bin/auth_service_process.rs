//! auth-service as a program of its own, for the tests that kill it: the same command line as the real one's.

use std::process::ExitCode;

use auth_service::command::Cli;
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(Cli::parse().run()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("auth-service: {error:#}");
            ExitCode::FAILURE
        }
    }
}
