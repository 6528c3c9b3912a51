//! Presses on both services, and looks at what only shows in numbers: `tests/attacks/press` builds and starts it.
//!
//! `scene` starts the programs, `client` and `request` (those of the load program) make the requests, and there is one file
//! for each thing that is looked at. Each prints its figures, and says of each bound whether it holds.

#[path = "../load/client.rs"]
#[allow(dead_code, reason = "the load program has more to do with it")]
mod client;
mod garbage;
mod keys;
mod logins;
#[path = "../load/request.rs"]
mod request;
mod sample;
mod scene;
mod timing;
mod uniqueness;

use std::{process::ExitCode, time::Duration};

use anyhow::bail;

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    /// For how long something is pressed on.
    time: Duration,
    /// How often something is timed that takes a password hash.
    hashes: usize,
    /// How often something is timed that takes none.
    lookups: usize,
    /// By how many percent two medians may differ. Few samples on a machine with other work to do differ by themselves, which
    /// is why the classifier counts there.
    medians: f64,
    tokens: usize,
    /// Worthless tokens in a second.
    garbage: usize,
    /// How many key sets a second must be answered, at the least.
    key_sets: f64,
    /// How many milliseconds others may wait during a storm, in 99 of 100 cases. An unoptimised build shares its cores with
    /// the program that presses on it.
    patience: f64,
}

const SHORT: Size = Size {
    time: Duration::from_secs(5),
    hashes: 150,
    lookups: 600,
    medians: 25.0,
    tokens: 10_000,
    garbage: 1_000,
    key_sets: 300.0,
    patience: 300.0,
};
const LONG: Size = Size {
    time: Duration::from_mins(1),
    hashes: 1_000,
    lookups: 5_000,
    medians: 5.0,
    tokens: 100_000,
    garbage: 10_000,
    key_sets: 5_000.0,
    patience: 100.0,
};

/// Counts what does not hold.
#[derive(Default)]
struct Verdicts {
    failed: usize,
}

impl Verdicts {
    /// Says whether something holds.
    fn note(&mut self, holds: bool, what: &str) {
        println!("{}  {what}", if holds { "holds " } else { "FAILS " });
        self.failed += usize::from(!holds);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let (mut size, mut wanted) = (SHORT, Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--long" => size = LONG,
            name @ ("timing" | "uniqueness" | "logins" | "garbage" | "keys") => wanted.push(name.to_owned()),
            other => bail!("{other}? usage: attack-press [--long] [timing | uniqueness | logins | garbage | keys]..."),
        }
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut verdicts = Verdicts::default();
    if is_wanted("timing") {
        timing::run(size, &mut verdicts).await?;
    }
    if is_wanted("uniqueness") {
        uniqueness::run(size, &mut verdicts).await?;
    }
    if is_wanted("logins") {
        logins::run(size, &mut verdicts).await?;
    }
    if is_wanted("garbage") {
        garbage::run(size, &mut verdicts).await?;
    }
    if is_wanted("keys") {
        keys::run(size, &mut verdicts).await?;
    }
    Ok(if verdicts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
