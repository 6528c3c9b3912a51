//! What a run says of the tests and scripts in it.

use std::collections::{BTreeMap, BTreeSet};

use super::Proof;

/// Which tests of a run passed and which did not, and which scripts passed.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    tests: BTreeMap<String, bool>,
    scripts: BTreeSet<String>,
    panics: Vec<String>,
}

impl Passed {
    /// Reads the output of `cargo test`. A test that is in it twice has passed if it passed every time.
    pub fn read(log: &str) -> Self {
        let mut passed = Self::default();
        for line in log.lines() {
            if let Some((name, outcome)) = line.strip_prefix("test ").and_then(|line| line.rsplit_once(" ... ")) {
                let name = name.split(" - ").next().unwrap_or(name);
                let is_ok = outcome == "ok" || outcome.starts_with("ok ");
                *passed.tests.entry(name.to_owned()).or_insert(true) &= is_ok;
            }
            // A test that fails says so above; what else is here was said by a service, or by a program that a test started.
            if line.contains("panicked at") && !line.contains("panicked at tests/") {
                passed.panics.push(line.to_owned());
            }
        }
        passed
    }

    /// Adds the scripts that have passed, as they were called: a path, with what stands before and behind it.
    #[must_use]
    pub fn with_scripts(mut self, scripts: &str) -> Self {
        self.scripts.extend(scripts.split_whitespace().map(str::to_owned));
        self
    }

    /// Whether this proof has been run and holds.
    pub fn holds(&self, proof: &Proof) -> bool {
        match proof {
            Proof::Test(name) => self.tests.get(name).copied().unwrap_or(false),
            Proof::Script(path) => self.scripts.contains(path),
        }
    }

    /// How many tests there were at all.
    pub fn count(&self) -> usize {
        self.tests.len()
    }

    /// The lines that tell of a panic.
    pub fn panics(&self) -> &[String] {
        &self.panics
    }
}
