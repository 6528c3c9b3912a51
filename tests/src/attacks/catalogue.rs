//! The page with the rows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};

use super::{Proof, RowId};

/// How a row without any proof is written.
const NONE: &str = "–";

/// The catalogue: a page of text, some lines of which are rows.
pub struct Catalogue {
    text: String,
    rows: Vec<Row>,
}

/// A row: what is tried, and what must hold.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub id: RowId,
    /// Whether the first release must stand it; the others count as soon as there is a proof of them.
    pub is_required: bool,
    /// What is tried.
    pub tried: String,
    /// What must hold.
    pub holds: String,
}

impl Catalogue {
    /// Reads the page.
    pub fn parse(text: String) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        for line in text.lines().filter(|line| line.starts_with("| A.")) {
            let row = Row::parse(line).with_context(|| format!("no row: {line}"))?;
            ensure!(seen.insert(row.id.clone()), "{} stands there twice", row.id);
            rows.push(row);
        }
        ensure!(!rows.is_empty(), "the catalogue has no rows");
        Ok(Self { text, rows })
    }

    /// Every row, in the order of the page.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The page as it stands.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The page with these proofs in its last column.
    pub fn with(&self, proofs: &BTreeMap<Proof, BTreeSet<RowId>>) -> String {
        let lines = self.text.lines().map(|line| {
            let Some(row) = line.starts_with("| A.").then(|| Row::parse(line).ok()).flatten() else { return line.to_owned() };
            let names: Vec<_> = proofs_of(&row.id, proofs).map(|proof| format!("`{proof}`")).collect();
            let proven = if names.is_empty() { NONE.to_owned() } else { names.join("<br>") };
            let required = if row.is_required { 1 } else { 2 };
            format!("| {} | {required} | {} | {} | {proven} |", row.id, row.tried, row.holds)
        });
        lines.map(|line| line + "\n").collect()
    }
}

/// The proofs that name a row.
pub(super) fn proofs_of<'a>(id: &RowId, proofs: &'a BTreeMap<Proof, BTreeSet<RowId>>) -> impl Iterator<Item = &'a Proof> {
    let id = id.clone();
    proofs.iter().filter(move |(_, rows)| rows.contains(&id)).map(|(proof, _)| proof)
}

impl Row {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let cells = cells(line);
        let [id, from, tried, holds, _proven] = &cells[..] else { bail!("five cells, not {}", cells.len()) };
        let is_required = match from.as_str() {
            "1" => true,
            "2" => false,
            other => bail!("from 1 or 2, not from {other}"),
        };
        let id = RowId::parse(id).context("it begins with a name")?;
        Ok(Self { id, is_required, tried: tried.clone(), holds: holds.clone() })
    }
}

/// The cells of a line of a table, where `\|` is no border.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|');
    let line = line.strip_suffix('|').unwrap_or(line).replace(r"\|", "\0");
    line.split('|').map(|cell| cell.replace('\0', r"\|").trim().to_owned()).collect()
}
