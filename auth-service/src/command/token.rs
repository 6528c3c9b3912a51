//! `token`: saying what a token is and why it is refused.

use std::{io::Read, process::ExitCode};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;
use shared::scope::Scope;
use zeroize::Zeroizing;

use super::output::{self, Output};
use crate::{config::Settings, operator::Operator};

/// No token is longer.
const MAX_INPUT: u64 = 64 * 1024;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say what a token is, and every check that it passes or fails; exit code 0 if it is good, 1 if not
    Explain {
        /// The token, or `-` to read it from standard input: an argument is for everyone on the machine to see
        token: String,
        /// The resource that it is shown to; without it, any will do
        #[arg(long)]
        resource: Option<String>,
        /// What the guard there asks for
        #[arg(long, value_parser = super::scope::parse)]
        scope: Option<Scope>,
        #[command(flatten)]
        output: Output,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut is_good = false;
    super::operate(settings, async |operator| {
        is_good = explain(command, operator).await?;
        Ok(())
    })
    .await?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn explain(command: Command, operator: &Operator) -> anyhow::Result<bool> {
    let Command::Explain { token, resource, scope, output } = command;
    let token = if token == "-" { read()? } else { Zeroizing::new(token) };
    let report = operator.explain_token(&token, resource.as_deref(), scope.as_ref()).await?;
    if output.is_json() {
        output::print_json(&json!(report));
        return Ok(report.good);
    }
    println!("{}", report.kind);
    for check in &report.checks {
        println!("  {:4}  {}  ({})", check.outcome, output::line(&check.rule), check.section);
        if let Some(reason) = &check.reason {
            println!("        {}", output::line(reason));
        }
    }
    for (name, value) in &report.facts {
        println!("  {name:10}  {}", output::line(value));
    }
    println!("{}", if report.good { "good" } else { "not good" });
    Ok(report.good)
}

fn read() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(MAX_INPUT).read_to_string(&mut text).context("no token on standard input")?;
    Ok(text)
}
