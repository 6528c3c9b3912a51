//! Tests whether an API is a good resource server: `resource-conformance URL …` runs an issuer, and drives the API with all
//! that it must refuse.
//!
//! Start the API so that it trusts the issuer `http://127.0.0.1:9000` (or what `--issuer` says) and answers to the audience
//! that `--audience` says. The exit code is 0 if no row failed.

use std::{fs, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use tests::{
    Http, MockIssuer,
    conformance::{self, Target, Trial, Verdict},
};
use tokio::net::TcpListener;

/// Drives an API with every token that a resource server must refuse, and reports row by row
#[derive(Parser)]
struct Arguments {
    /// The API under test, such as <https://api.example>
    url: String,
    /// What the report calls it
    #[arg(long, default_value = "the API")]
    name: String,
    /// Where the issuer listens
    #[arg(long, default_value = "127.0.0.1:9000")]
    issuer_listen: SocketAddr,
    /// The name that the API knows the issuer by; `http://` and `--issuer-listen` unless told
    #[arg(long)]
    issuer: Option<String>,
    /// The audience that the API expects; its URL unless told
    #[arg(long)]
    audience: Option<String>,
    /// A path that a GET opens
    #[arg(long, default_value = "/")]
    get: String,
    /// The scope that all paths here take
    #[arg(long)]
    scope: String,
    /// A path that takes a role besides
    #[arg(long)]
    role_path: Option<String>,
    /// That role
    #[arg(long, default_value = "admin")]
    role: String,
    /// By how many seconds the API lets clocks differ
    #[arg(long, default_value_t = 30)]
    leeway: i64,
    /// The API does not heed status lists
    #[arg(long)]
    no_status_list: bool,
    /// How many seconds to wait for the API to accept a good token
    #[arg(long, default_value_t = 30)]
    wait: u64,
    /// Where to write the report for CI systems
    #[arg(long)]
    junit: Option<PathBuf>,
    /// Where to write the report as a page
    #[arg(long)]
    html: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let address = arguments.issuer_listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let issuer = MockIssuer::start_on(listener, arguments.issuer.unwrap_or_else(|| format!("http://{address}")));
    let url = arguments.url.trim_end_matches('/').to_owned();
    let target = Target {
        name: arguments.name,
        audience: arguments.audience.unwrap_or_else(|| url.clone()),
        http: Http::to_a_stranger(url),
        path: arguments.get,
        scope: arguments.scope,
        role_path: arguments.role_path,
        role: arguments.role,
        leeway: arguments.leeway,
        heeds_status: !arguments.no_status_list,
    };
    let trial = Trial::new(target, issuer);
    trial.wait(Duration::from_secs(arguments.wait)).await.map_err(anyhow::Error::msg)?;

    let report = conformance::run(&trial, |outcome| {
        println!("{:<8} {:<8} {} ({})", outcome.verdict.to_string(), outcome.id, outcome.title, outcome.requests);
        for finding in outcome.findings.iter().take(5) {
            println!("{:17} {finding}", "");
        }
        if outcome.findings.len() > 5 {
            println!("{:17} and {} more", "", outcome.findings.len() - 5);
        }
    })
    .await;

    println!("\n{report}");
    for (path, text) in [(arguments.junit, report.junit()), (arguments.html, report.html())] {
        if let Some(path) = path {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(if report.count(Verdict::Fail) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
