//! The command lines of both services in one program: the name that it is called by says which.

use std::{env, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    if env::args().next().is_some_and(|name| name == "resource-service") {
        return match resource_service::run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("resource-service: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    auth_service::command::main().await
}
