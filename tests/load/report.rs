//! The tables, and what they say about the targets.

use std::{fmt::Write, time::Duration};

use crate::{
    client::Outcome,
    raw::{Limit, Limits},
    services::StartUp,
};

/// What a rate is compared with, and the share of it that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target(Option<(Limit, f64)>);

impl Target {
    /// So much of a limit.
    pub(crate) const fn of(limit: Limit, share: f64) -> Self {
        Self(Some((limit, share)))
    }

    /// It is only reported.
    pub(crate) const fn none() -> Self {
        Self(None)
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

impl Line {
    /// What came of a scenario for which the service was busy for so long.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    pub(crate) fn new(name: &str, concurrency: usize, outcome: &Outcome, cpu: Duration, memory: f64, target: Target) -> Self {
        Self {
            name: name.to_owned(),
            concurrency,
            rate: outcome.rate(),
            p50: outcome.percentile(50),
            p99: outcome.percentile(99),
            cpu_micros: cpu.as_secs_f64() * 1e6 / outcome.requests as f64,
            memory,
            target,
        }
    }

    /// Its share of the limit by the rate, and by the processor's time for one of them, which other programs on the machine
    /// disturb less.
    fn shares(&self) -> Option<(f64, f64)> {
        self.target.0.map(|(limit, _)| (self.rate / limit.rate, limit.cpu_micros / self.cpu_micros))
    }
}

/// Something that is wanted, and what was found.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) found: String,
    pub(crate) is_met: bool,
}

impl Goal {
    /// No more than so much.
    pub(crate) fn at_most(what: &str, most: f64, unit: &str, found: f64) -> Self {
        let (wanted, is_met) = (format!("< {most:.0} {unit}"), found < most);
        Self { what: what.to_owned(), wanted, found: format!("{found:.1} {unit}"), is_met }
    }

    /// So much of something else at least.
    pub(crate) fn share(what: &str, least: f64, of: &str, found: f64) -> Self {
        let wanted = format!("≥ {least:.2} of {of}");
        Self { what: what.to_owned(), wanted, found: format!("{found:.2}"), is_met: found >= least }
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    limits: Limits,
    machine: String,
    lines: Vec<Line>,
    goals: Vec<Goal>,
}

impl Report {
    pub(crate) const fn new(limits: Limits, machine: String) -> Self {
        Self { limits, machine, lines: Vec::new(), goals: Vec::new() }
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn add(&mut self, line: Line) {
        eprintln!(
            "{:<40} c={:<3} {:>9.0}/s  p99 {:>7.2} ms  {:>6.0} µs",
            line.name, line.concurrency, line.rate, line.p99, line.cpu_micros
        );
        self.lines.push(line);
    }

    pub(crate) fn want(&mut self, goal: Goal) {
        self.goals.push(goal);
    }

    pub(crate) fn start_up(&mut self, start: StartUp) {
        let first_token = start.first_token.as_secs_f64() * 1000.0;
        self.want(Goal::at_most("start to first token, existing database", 100.0, "ms", first_token));
        for (what, most, usage) in
            [("auth-service at rest", 25.0, start.idle[0]), ("resource-service at rest", 15.0, start.idle[1])]
        {
            let goal = Goal::at_most(what, most, "MiB", usage.memory);
            let found = format!("{} (without the pages of its file {:.1})", goal.found, usage.own);
            self.want(Goal { found, ..goal });
        }
    }

    /// Every target: those of the scenarios, each at the concurrency that serves it best, and the others.
    fn goals(&self) -> Vec<Goal> {
        let mut goals: Vec<Goal> = Vec::new();
        for line in &self.lines {
            let Some((limit, least)) = line.target.0 else { continue };
            if goals.iter().any(|goal| goal.what == line.name) {
                continue;
            }
            let same = self.lines.iter().filter(|other| other.name == line.name).filter_map(Line::shares);
            let (rate, cpu) = same.fold((0.0, 0.0), |(rate, cpu): (f64, f64), other| (rate.max(other.0), cpu.max(other.1)));
            let goal = Goal::share(&line.name, least, limit.name, rate);
            goals.push(Goal { found: format!("{rate:.2} (by CPU {cpu:.2})"), ..goal });
        }
        goals.extend(self.goals.iter().cloned());
        goals
    }

    /// Whether every target is met.
    pub(crate) fn is_met(&self) -> bool {
        self.goals().iter().all(|goal| goal.is_met)
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("Measured on {}.\n", self.machine);
        let mut line = |args: std::fmt::Arguments<'_>| writeln!(text, "{args}").expect("a String takes any text");
        line(format_args!("\n| limit of one core | per second | CPU µs each |\n|---|--:|--:|"));
        for limit in self.limits.all() {
            line(format_args!("| {} | {:.0} | {:.0} |", limit.name, limit.rate, limit.cpu_micros));
        }
        line(format_args!("\n| target | wanted | found | |\n|---|---|---|---|"));
        for Goal { what, wanted, found, is_met } in self.goals() {
            line(format_args!("| {what} | {wanted} | {found} | {} |", if is_met { "met" } else { "**missed**" }));
        }
        line(format_args!("\n| scenario | at once | per second | p50 ms | p99 ms | CPU µs each | MiB | of the limit |"));
        line(format_args!("|---|--:|--:|--:|--:|--:|--:|--:|"));
        for entry in &self.lines {
            let share = entry.shares().map_or_else(String::new, |(rate, _)| format!("{rate:.2}"));
            // Of what shares the service with others it is not known.
            let cpu = if entry.cpu_micros.is_finite() { format!("{:.0}", entry.cpu_micros) } else { "–".to_owned() };
            line(format_args!(
                "| {} | {} | {:.0} | {:.2} | {:.2} | {cpu} | {:.0} | {share} |",
                entry.name, entry.concurrency, entry.rate, entry.p50, entry.p99, entry.memory
            ));
        }
        text
    }
}
