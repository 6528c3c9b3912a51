//! Kills and outages under load, and the ledger of what came of them: how much was acknowledged, and how much of it is lost.
//!
//! `tests/it/faults` is the short form. Here the service is killed as often as one likes, at random moments, and PostgreSQL,
//! which commits to the disk, is also stopped, frozen and cut off, with a stopwatch.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tests::{
    AuthHome, AuthProcess, AuthProgram, PostgresqlServer, Relay, Stop, Weather,
    load::{Findings, Load, Worker, audit, audit_sessions},
};
use tokio::time::sleep;

use crate::{is_on_postgresql, text, value};

const WORKERS: usize = 6;
/// Records and users are looked at after so many kills, sessions after each.
const AUDIT_EVERY: u64 = 20;
/// A key is listed for an hour after it stopped, and no more than 32 may be.
const ROTATIONS: u64 = 25;
/// How long each outage lasts.
const OUTAGE: Duration = Duration::from_secs(10);

/// A way in which a database goes away, and comes back.
type Outage = (&'static str, fn(&PostgresqlServer, &Relay), fn(&PostgresqlServer, &Relay));

const OUTAGES: [Outage; 5] = [
    ("stopped", |server, _| server.stop(Stop::Fast), |server, _| server.resume_service()),
    ("stopped immediately", |server, _| server.stop(Stop::Immediate), |server, _| server.resume_service()),
    ("frozen", |server, _| server.freeze(), |server, _| server.thaw()),
    ("connections cut", |_, relay| relay.set(Weather::Cut), |_, relay| relay.set(Weather::Fair)),
    ("connections swallowed", |_, relay| relay.set(Weather::Swallowing), |_, relay| relay.set(Weather::Fair)),
];

/// Runs it and prints the ledger; the exit code says whether anything was lost.
pub(crate) async fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let cycles = value(arguments, "--cycles")?.unwrap_or(200);
    let beside = std::env::current_exe()?.with_file_name("auth-service");
    let path = text(arguments, "--program").map_or(beside, PathBuf::from);
    ensure!(path.exists(), "{} is not there", path.display());
    if !is_on_postgresql(arguments)? {
        let program = program(path, AuthHome::embedded());
        let (findings, _) = kills(&program, cycles, "SQLite").await?;
        return Ok(verdict(&findings));
    }
    let server = PostgresqlServer::start_durable().context("there is no PostgreSQL")?;
    let relay = Relay::to([server.port()]).await;
    let killed = program(path.clone(), AuthHome::on(&server, Some(relay.port())).await);
    let (mut findings, _) = kills(&killed, cycles, "PostgreSQL").await?;
    // Another database: a login that a kill cut off counts as a wrong guess, and a hundred of them close an account to logins
    // for a day.
    let program = program(path, AuthHome::on(&server, Some(relay.port())).await);
    let process = program.serve().await;
    for outage in OUTAGES {
        findings.add(survive(&program, &process, &server, &relay, outage).await?);
    }
    Ok(verdict(&findings))
}

fn program(path: PathBuf, home: AuthHome) -> AuthProgram {
    AuthProgram::living_in(path, Arc::new(home)).setting("AUTH_REFRESH_GRACE", "1m").setting("AUTH_LOG", "off")
}

/// Kills the service so many times, each at another moment.
async fn kills(program: &AuthProgram, cycles: u64, name: &str) -> anyhow::Result<(Findings, AuthProcess)> {
    let (mut findings, mut recoveries) = (Findings::default(), Vec::new());
    let mut process = program.serve().await;
    let mut workers = Worker::hire(WORKERS, process.http()).await;
    let began = Instant::now();
    for cycle in 1..=cycles {
        let load = Worker::start(workers);
        let rotates = cycle % cycles.div_ceil(ROTATIONS) == 0;
        let rotation = async {
            if rotates {
                program.run(&["key", "rotate", "--now"], "").await;
            }
        };
        tokio::join!(rotation, sleep(Duration::from_millis(100 + random(900)?)));
        process.kill().await;
        workers = load.stop().await;
        let killed = Instant::now();
        process = program.serve().await;
        recoveries.push(killed.elapsed());
        let found = if cycle % AUDIT_EVERY == 0 || cycle == cycles {
            audit(&mut workers, program.home().database()).await
        } else {
            audit_sessions(&mut workers, program.home().database()).await
        };
        findings.add(found);
    }
    recoveries.sort_unstable();
    let count = |of: fn(&Worker) -> usize| workers.iter().map(of).sum::<usize>();
    println!("{name}: killed {cycles} times in {:.0} s", began.elapsed().as_secs_f64());
    println!("  acknowledged           {}", count(|worker| worker.ledger().acknowledged));
    println!("  of these on record     {}", count(|worker| worker.ledger().on_record.len()));
    println!("  users created          {}", count(|worker| worker.ledger().users.len()));
    println!("  not answered           {}", count(|worker| worker.ledger().unanswered));
    println!("  slowed down            {}", count(|worker| worker.ledger().slowed));
    println!("  unexpected answers     {}", count(|worker| worker.ledger().unexpected.len()));
    print(&findings);
    println!("  recovery p50, p95      {:.2} s, {:.2} s", percentile(&recoveries, 50), percentile(&recoveries, 95));
    for answer in workers.iter().flat_map(|worker| &worker.ledger().unexpected).take(3) {
        println!("  unexpected: {answer}");
    }
    program.expect(&["audit", "seal"], "").await;
    program.expect(&["audit", "verify"], "").await;
    println!("  audit chain            holds");
    Ok((findings, process))
}

/// Takes the database away for a while.
async fn survive(
    program: &AuthProgram,
    process: &AuthProcess,
    server: &PostgresqlServer,
    relay: &Relay,
    (name, breaks, mends): Outage,
) -> anyhow::Result<Findings> {
    let load = Worker::start(Worker::hire(WORKERS, process.http()).await);
    await_more(&load, 30).await?;
    breaks(server, relay);
    sleep(OUTAGE).await;
    mends(server, relay);
    let mended = Instant::now();
    await_more(&load, 1).await?;
    let recovery = mended.elapsed();
    await_more(&load, 30).await?;
    let mut workers = load.stop().await;
    let findings = audit(&mut workers, program.home().database()).await;
    let count = |of: fn(&Worker) -> usize| workers.iter().map(of).sum::<usize>();
    let slowest = workers.iter().map(|worker| worker.ledger().slowest_unavailable).max().unwrap_or_default();
    println!("PostgreSQL {name} for {} s", OUTAGE.as_secs());
    println!("  acknowledged           {}", count(|worker| worker.ledger().acknowledged));
    println!("  asked to come back     {}", count(|worker| worker.ledger().unavailable));
    println!("  not answered           {}", count(|worker| worker.ledger().unanswered));
    println!("  unexpected answers     {}", count(|worker| worker.ledger().unexpected.len()));
    print(&findings);
    for answer in workers.iter().flat_map(|worker| &worker.ledger().unexpected).take(3) {
        println!("  unexpected: {answer}");
    }
    println!("  slowest 503, recovery  {:.2} s, {:.2} s", slowest.as_secs_f64(), recovery.as_secs_f64());
    Ok(findings)
}

async fn await_more(load: &Load, more: usize) -> anyhow::Result<()> {
    let (enough, began) = (load.acknowledged() + more, Instant::now());
    while load.acknowledged() < enough {
        ensure!(began.elapsed() < Duration::from_mins(2), "no request is granted any more");
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn print(findings: &Findings) {
    println!("  lost                   {}", findings.lost.len());
    println!("  logged out             {}", findings.logged_out.len());
    println!("  families with two live leaves  {}", findings.forked.len());
    for lost in findings.lost.iter().take(3) {
        println!("  lost: {lost}");
    }
}

fn verdict(findings: &Findings) -> ExitCode {
    if *findings == Findings::default() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, Duration::as_secs_f64)
}

/// A number below this one.
fn random(below: u64) -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).ok().context("the system's random source does not answer")?;
    Ok(u64::from_le_bytes(bytes) % below)
}
