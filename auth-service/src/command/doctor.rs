//! `doctor`: what is wrong, and what to do about it.

use std::process::ExitCode;

use shared::server::doctor::Examination;

use super::output::Output;
use crate::{config::Settings, doctor};

pub(super) async fn run(output: Output, settings: Settings) -> anyhow::Result<ExitCode> {
    let data_dir = settings.data_dir().to_owned();
    let examination = match settings.check() {
        Ok(config) => doctor::examine(&config, &data_dir).await,
        Err(problems) => {
            let mut examination = Examination::default();
            examination.error("settings", problems.to_string(), "`auth-service --help` says what each of them takes");
            examination
        }
    };
    if output.is_json() {
        println!("{}", examination.to_json());
    } else {
        print!("{}", examination.to_text());
    }
    Ok(if examination.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
