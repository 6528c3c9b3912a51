//! Measures both services against the limits of the machine they run on, all in one run: `tests/load/run` builds and starts
//! it.
//!
//! The service that is measured has one core to itself, the generator another. `raw` finds out what that core can do at the
//! most: signatures, verifications, password hashes, and how fast the same framework says hello. `services` starts the real
//! programs, `client` presses on them, `script` and `scenario` say with what, `storm` while what else goes on, `report`
//! compares. There are longer runs of other kinds: `growth` fills the database, `soak` looks for memory that is lost, and in
//! `rotations` keys change under load, and no valid token may be refused.

mod client;
mod faults;
mod growth;
mod pin;
mod raw;
mod report;
mod request;
mod rotations;
mod scenario;
mod script;
mod services;
mod soak;
mod storm;
mod usage;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};

use self::{report::Report, scenario::Plan, services::Services};

const USAGE: &str = "usage: load [--seconds N] [--only NAME] [--markdown FILE] | load growth [--database sqlite|postgresql] \
                      | load soak [--minutes N] \
                      | load rotations [--count N] | load faults [--cycles N] [--database sqlite|postgresql] [--program FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // One thread is enough to press on one core, and leaves nothing to the scheduler's mood.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    match runtime.block_on(run(&arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    match arguments.first().map(String::as_str) {
        // What this program starts itself as, on the core of the measured service.
        Some("raw") => {
            raw::measure();
            return Ok(ExitCode::SUCCESS);
        }
        Some("hello") => {
            raw::hello().await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some("faults") => return faults::run(arguments).await,
        Some("rotations") => {
            let count = value(arguments, "--count")?.unwrap_or(30);
            return rotations::run(count).await;
        }
        Some("growth") => return growth::run(is_on_postgresql(arguments)?).await,
        Some("soak") => return soak::run(value(arguments, "--minutes")?.unwrap_or(10)).await,
        Some(other) if !other.starts_with("--") => bail!("{USAGE}"),
        _ => {}
    }
    let seconds = value(arguments, "--seconds")?.unwrap_or(3);
    let only = text(arguments, "--only");
    let plan = Plan { time: Duration::from_secs(seconds), only: only.as_deref() };
    let limits = raw::limits().await?;
    let services = Services::start().await?;
    let mut report = Report::new(limits, pin::describe());
    scenario::run_all(&services, &mut report, &plan).await?;
    report.start_up(services.start_up().await?);
    let table = report.to_markdown();
    println!("{table}");
    if let Some(file) = text(arguments, "--markdown") {
        std::fs::write(&file, table).with_context(|| format!("cannot write {file}"))?;
    }
    Ok(if report.is_met() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn is_on_postgresql(arguments: &[String]) -> anyhow::Result<bool> {
    match text(arguments, "--database").as_deref().unwrap_or("sqlite") {
        "sqlite" => Ok(false),
        "postgresql" => Ok(true),
        other => bail!("--database takes sqlite or postgresql, not {other}"),
    }
}

fn text(arguments: &[String], name: &str) -> Option<String> {
    arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
}

fn value(arguments: &[String], name: &str) -> anyhow::Result<Option<u64>> {
    text(arguments, name).map(|text| text.parse().with_context(|| format!("{name} takes a number"))).transpose()
}
