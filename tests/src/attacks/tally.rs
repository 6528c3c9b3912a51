//! How many rows of the catalogue hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Catalogue, Passed, Proof, RowId, catalogue::proofs_of};

/// What a run of the catalogue came to, on one database.
#[derive(Clone, Debug)]
pub struct Tally {
    database: String,
    written: usize,
    /// The rows that do not hold, and why.
    failed: Vec<(RowId, String)>,
    panics: Vec<String>,
}

impl Tally {
    /// Counts the rows that the first release must stand, and those others that have a proof.
    pub fn of(database: &str, catalogue: &Catalogue, proofs: &BTreeMap<Proof, BTreeSet<RowId>>, passed: &Passed) -> Self {
        let (mut written, mut failed) = (0, Vec::new());
        for row in catalogue.rows() {
            let own: Vec<_> = proofs_of(&row.id, proofs).collect();
            if own.is_empty() && !row.is_required {
                continue;
            }
            written += 1;
            let broken: Vec<_> = own.iter().filter(|proof| !passed.holds(proof)).map(ToString::to_string).collect();
            if own.is_empty() {
                failed.push((row.id.clone(), "there is no proof of it".to_owned()));
            } else if !broken.is_empty() {
                failed.push((row.id.clone(), format!("failed or did not run: {}", broken.join(", "))));
            }
        }
        Self { database: database.to_owned(), written, failed, panics: passed.panics().to_vec() }
    }

    /// How many rows there are to hold.
    pub const fn written(&self) -> usize {
        self.written
    }

    /// How many of them do.
    pub const fn passed(&self) -> usize {
        self.written - self.failed.len()
    }

    /// The database of the run.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether all of them do, and no service panicked.
    pub const fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.panics.is_empty()
    }
}

/// What does not hold, a line each.
impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, why) in &self.failed {
            writeln!(out, "{id} on {}: {why}", self.database)?;
        }
        for line in &self.panics {
            writeln!(out, "a service panicked on {}: {line}", self.database)?;
        }
        Ok(())
    }
}
