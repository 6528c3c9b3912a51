//! The command line of auth-service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    auth_service::command::main().await
}
