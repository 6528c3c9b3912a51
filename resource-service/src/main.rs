//! The resource service: see `resource-service --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match resource_service::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("resource-service: {error:#}");
            ExitCode::FAILURE
        }
    }
}
