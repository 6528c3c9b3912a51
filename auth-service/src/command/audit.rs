//! `audit`: reading, exporting and proving the audit trail.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shared::server::settings;

use super::output::{self, Output};
use crate::{audit::Filter, clock, config::Settings, operator::Operator};

/// How many events an export reads at a time.
const BATCH: u32 = 500;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, default_value = "50", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Write every event as a line of JSON, newest first
    Export {
        #[command(flatten)]
        which: Which,
    },
    /// Prove that no sealed event was changed, removed or moved; exit code 1 and the event's number if one was
    Verify {
        #[command(flatten)]
        output: Output,
    },
    /// Seal what has been recorded and sign a checkpoint now; a running service does so by itself
    Seal,
}

#[derive(Args)]
pub(super) struct Which {
    /// What was done or tried, such as `login` or `user.create`
    #[arg(long)]
    action: Option<String>,
    /// What came of it: ok, refused or throttled
    #[arg(long, value_parser = ["ok", "refused", "throttled"])]
    outcome: Option<String>,
    /// Whom or what it is about: an identifier
    #[arg(long)]
    subject: Option<String>,
    /// Who did it: an identifier
    #[arg(long)]
    actor: Option<String>,
    /// The client through which it was done, or that it is about
    #[arg(long)]
    client: Option<String>,
    /// The address it came from
    #[arg(long)]
    ip: Option<String>,
    /// From this instant on: RFC 3339, or how long ago (`2h`)
    #[arg(long, value_parser = instant)]
    since: Option<i64>,
    /// Until before this instant
    #[arg(long, value_parser = instant)]
    until: Option<i64>,
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| read(command, operator).await).await
}

async fn read(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::List { which, limit, output } => {
            let events = operator.audit_events(&which.into(), None, limit).await?;
            let columns =
                ["number", "at", "action", "outcome", "reason", "actor", "subject", "client_id", "ip", "request_id", "detail"];
            let row = |event: crate::audit::Recorded| {
                let line = serde_json::to_value(event).unwrap_or_default();
                columns.iter().map(|column| line[*column].clone()).collect::<Vec<Value>>()
            };
            output.list(&columns, events.into_iter().map(row).collect());
        }
        Command::Export { which } => {
            let filter = which.into();
            let mut before: Option<String> = None;
            loop {
                let events = operator.audit_events(&filter, before.as_deref(), BATCH).await?;
                let Some(last) = events.last() else { break };
                before = Some(last.id.clone());
                for event in &events {
                    print!("{}", event.line());
                }
            }
        }
        Command::Verify { output } => verify(operator, output).await?,
        Command::Seal => operator.seal_audit().await?,
    }
    Ok(())
}

async fn verify(operator: &Operator, output: Output) -> anyhow::Result<()> {
    let report = operator.audit_verification().await?;
    if output.is_json() {
        output::print_json(&json!({ "good": report.is_good(), "report": report }));
    } else {
        for finding in &report.findings {
            println!("event {}: {}", finding.event, finding.problem);
        }
        println!("{} events from {} to {}; checkpoints vouch up to {}", report.events, report.first, report.last, report.covered);
        if report.unsealed > 0 {
            println!("{} more are recorded and not sealed yet", report.unsealed);
        }
    }
    if report.is_good() { Ok(()) } else { Err(anyhow!("the audit trail was tampered with")) }
}

impl From<Which> for Filter {
    fn from(which: Which) -> Self {
        Self {
            action: which.action,
            outcome: which.outcome,
            subject: which.subject,
            actor: which.actor,
            client: which.client,
            ip: which.ip,
            since: which.since,
            until: which.until,
        }
    }
}

fn instant(text: &str) -> Result<i64, String> {
    if let Some(instant) = clock::parse_rfc3339(text) {
        return Ok(instant);
    }
    let ago = settings::duration(text).map_err(|_| "expected an instant (RFC 3339) or how long ago, such as 2h".to_owned())?;
    Ok(clock::now() - clock::seconds(ago))
}
