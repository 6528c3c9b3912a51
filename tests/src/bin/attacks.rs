//! Counts the attack catalogue: `tests/attacks/run tally` says how many of its rows hold in a run of the tests, `list` by what
//! each is proven.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::Parser;
use tests::attacks::{self, Catalogue, Passed, Tally};

const POSTGRESQL: &str = "PostgreSQL";

/// The attack catalogue of docs/attacks.md
#[derive(Parser)]
enum Arguments {
    /// Say of every row what proves it
    List,
    /// Count the rows that hold; the exit code is 1 unless it is all of them
    Tally {
        /// The output of `cargo test` on SQLite
        sqlite: PathBuf,
        /// The output of `cargo test` on PostgreSQL
        postgresql: PathBuf,
        /// The scripts that have passed, one a line, as they were called: what can run on either database has run on
        /// `PostgreSQL` if `env TEST_DATABASE_URL=…` stands before it
        #[arg(long)]
        passed: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let repository = tests::repository();
    let proofs = attacks::proofs(&repository)?;
    let catalogue = Catalogue::parse(read(&repository.join("docs/attacks.md"))?)?;
    match Arguments::parse() {
        Arguments::List => {
            for row in catalogue.rows() {
                println!("{}", row.id);
                for (proof, _) in proofs.iter().filter(|(_, rows)| rows.contains(&row.id)) {
                    println!("    {proof}");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Arguments::Tally { sqlite, postgresql, passed } => {
            let scripts = passed.map(|path| read(&path)).transpose()?.unwrap_or_default();
            let mut tallies = Vec::new();
            for (database, log) in [("SQLite", sqlite), (POSTGRESQL, postgresql)] {
                let passed = Passed::read(&read(&log)?).with_scripts(&run_on(database, &scripts, &repository));
                ensure!(passed.count() > 0, "{} tells of no test", log.display());
                tallies.push(Tally::of(database, &catalogue, &proofs, &passed));
            }
            for tally in &tallies {
                print!("{tally}");
            }
            let counts = tallies.iter().map(|tally| format!("{} of {} on {}", tally.passed(), tally.written(), tally.database()));
            println!("rows passed of rows written: {}", counts.collect::<Vec<_>>().join(", "));
            Ok(if tallies.iter().all(Tally::is_whole) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// The scripts that were run on this database, and those that have no choice of one.
fn run_on(database: &str, scripts: &str, repository: &Path) -> String {
    const CHOICE: &str = "TEST_DATABASE_URL";
    let has_choice = |word: &str| fs::read_to_string(repository.join(word)).is_ok_and(|script| script.contains(CHOICE));
    let counts = |line: &&str| {
        let on_postgresql = line.starts_with(&format!("env {CHOICE}="));
        on_postgresql == (database == POSTGRESQL) || !line.split_whitespace().any(has_choice)
    };
    scripts.lines().filter(counts).collect::<Vec<_>>().join("\n")
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
