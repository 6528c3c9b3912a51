//! The table, and what it says about the targets.

use std::fmt::Write;

use crate::{raw::Limits, services::StartUp};

/// What a rate is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    limit: Option<(f64, f64, &'static str)>,
}

impl Target {
    /// So much of a limit of so many operations a second.
    pub(crate) const fn of(limit: f64, share: f64, name: &'static str) -> Self {
        Self { limit: Some((limit, share, name)) }
    }

    /// It is only reported.
    pub(crate) const fn none() -> Self {
        Self { limit: None }
    }
}

/// One scenario at one concurrency.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) concurrency: usize,
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) cpu_micros: f64,
    pub(crate) memory: f64,
    pub(crate) target: Target,
}

/// Everything that was measured.
pub(crate) struct Report {
    limits: Limits,
    machine: String,
    lines: Vec<Line>,
    start_up: Option<StartUp>,
}

impl Report {
    pub(crate) const fn new(limits: Limits, machine: String) -> Self {
        Self { limits, machine, lines: Vec::new(), start_up: None }
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn add(&mut self, line: Line) {
        eprintln!("{:<36} c={:<3} {:>9.0}/s  p99 {:.2} ms", line.name, line.concurrency, line.rate, line.p99);
        self.lines.push(line);
    }

    pub(crate) const fn start_up(&mut self, start_up: StartUp) {
        self.start_up = Some(start_up);
    }

    /// Whether the best concurrency of every scenario meets its target.
    pub(crate) fn is_met(&self) -> bool {
        self.lines.iter().filter(|line| line.target.limit.is_some()).all(|line| {
            let same = self.lines.iter().filter(|other| other.name == line.name);
            same.filter_map(ratio).fold(0.0, f64::max) >= line.target.limit.map_or(0.0, |(_, share, _)| share)
        })
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::new();
        let mut line = |args: std::fmt::Arguments<'_>| writeln!(text, "{args}").expect("a String takes any text");
        line(format_args!("Measured on {}.", self.machine));
        line(format_args!(""));
        line(format_args!("| limit of one core | per second |"));
        line(format_args!("|---|--:|"));
        for (name, value) in [
            ("RS256 signatures, 2048 bits (raw aws-lc-rs)", self.limits.sign),
            ("RS256 verifications, 2048 bits (raw aws-lc-rs)", self.limits.verify),
            ("Argon2id, 19 MiB, 2 passes, memory reused", self.limits.hash),
            ("a JSON greeting by the same framework", self.limits.hello),
        ] {
            line(format_args!("| {name} | {value:.0} |"));
        }
        line(format_args!(""));
        line(format_args!("| scenario | at once | per second | p50 ms | p99 ms | CPU µs each | MiB | of the limit | target |"));
        line(format_args!("|---|--:|--:|--:|--:|--:|--:|---|---|"));
        for entry in &self.lines {
            let (share, target) = match (ratio(entry), entry.target.limit) {
                (Some(ratio), Some((_, share, name))) => (format!("{ratio:.2} of {name}"), format!("{share:.2}")),
                _ => (String::new(), String::new()),
            };
            line(format_args!(
                "| {} | {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {share} | {target} |",
                entry.name, entry.concurrency, entry.rate, entry.p50, entry.p99, entry.cpu_micros, entry.memory
            ));
        }
        if let Some(start) = self.start_up {
            line(format_args!(""));
            line(format_args!(
                "From the start of auth-service on an existing database to the first token: {:.0} ms. Memory at rest: \
                 auth-service {:.0} MiB, resource-service {:.0} MiB.",
                start.first_token.as_secs_f64() * 1000.0,
                start.idle[0],
                start.idle[1]
            ));
        }
        text
    }
}

fn ratio(line: &Line) -> Option<f64> {
    line.target.limit.map(|(limit, _, _)| line.rate / limit)
}
