//! Which tests and scripts name rows, read from the sources.
//!
//! A test names rows at the beginning of its doc comment or in its own name; a comment inside its body says nothing. A
//! script names them behind the word `Proves`, in a comment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Component, Path},
};

use anyhow::Context;

use super::RowId;

/// What proves a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A test, by the name that a test run gives it: `module::name`.
    Test(String),
    /// A script, by its path in the repository.
    Script(String),
}

impl fmt::Display for Proof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test(name) => out.write_str(name),
            Self::Script(path) => out.write_str(path),
        }
    }
}

/// Where nothing of ours is.
const FOREIGN: [&str; 6] = ["target", "node_modules", "__pycache__", "docs", "corpus", "vectors"];

/// Every proof in the repository, with the rows that it names.
pub fn proofs(repository: &Path) -> anyhow::Result<BTreeMap<Proof, BTreeSet<RowId>>> {
    let mut proofs = BTreeMap::<Proof, BTreeSet<RowId>>::new();
    walk(repository, &mut |path| {
        let place = path.strip_prefix(repository).expect("it is walked from there");
        // What is no text is no source.
        let Ok(text) = fs::read_to_string(path) else { return };
        let found = match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => tests_in(place, &text),
            None | Some("sh" | "py" | "mjs" | "js") => script(place, &text).into_iter().collect(),
            Some(_) => return,
        };
        for (proof, rows) in found.into_iter().filter(|(_, rows)| !rows.is_empty()) {
            proofs.entry(proof).or_default().extend(rows);
        }
    })?;
    Ok(proofs)
}

fn walk(directory: &Path, visit: &mut impl FnMut(&Path)) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') || FOREIGN.contains(&&*name) {
            continue;
        }
        if entry.file_type()?.is_dir() { walk(&path, visit)? } else { visit(&path) }
    }
    Ok(())
}

/// The tests of a file in Rust.
fn tests_in(place: &Path, text: &str) -> Vec<(Proof, Vec<RowId>)> {
    let module = module(place);
    let (mut found, mut inner) = (Vec::new(), None);
    let mut above = Above::default();
    for line in text.lines() {
        let code = line.trim_start();
        if let Some(doc) = code.strip_prefix("///") {
            above.doc.push_str(doc);
            above.doc.push('\n');
        } else if above.is_open || code.starts_with("#[") {
            above.is_test |= is_test(code);
            above.is_open = !code.trim_end().ends_with(']');
        } else if let Some(name) = function(code) {
            if above.is_test {
                let mut path = module.clone();
                path.extend(inner.clone().filter(|_| code.len() < line.len()));
                path.push(name.to_owned());
                let mut rows = RowId::all_in(&above.doc);
                rows.extend(RowId::all_of_test(name));
                found.push((Proof::Test(path.join("::")), rows));
            }
            above = Above::default();
        } else {
            if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
                inner = Some(name.to_owned());
            }
            above = Above::default();
        }
    }
    found
}

/// What stands above a function.
#[derive(Default)]
struct Above {
    doc: String,
    is_test: bool,
    /// Whether an attribute goes on in the next line.
    is_open: bool,
}

fn is_test(attribute: &str) -> bool {
    ["#[test]", "#[tokio::test]", "#[tokio::test("].iter().any(|test| attribute.starts_with(test))
}

fn function(code: &str) -> Option<&str> {
    let code = code.strip_prefix("pub ").unwrap_or(code);
    let code = code.strip_prefix("async ").unwrap_or(code).strip_prefix("fn ")?;
    code.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).next()
}

/// The module that a file is: `tests/it/api_keys/end.rs` is `api_keys::end`, `shared/src/guard/tests.rs` is `guard::tests`.
fn module(place: &Path) -> Vec<String> {
    let parts = place.with_extension("");
    let parts: Vec<_> = parts
        .components()
        .filter_map(|part| if let Component::Normal(part) = part { part.to_str() } else { None })
        .map(str::to_owned)
        .collect();
    let root = parts.iter().position(|part| part == "src" || part == "it").map_or(parts.len(), |at| at + 1);
    let mut module = parts[root..].to_vec();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// A script; what has no `#!` belongs to the `run` beside it.
fn script(place: &Path, text: &str) -> Option<(Proof, Vec<RowId>)> {
    let rows = text
        .lines()
        .map(str::trim_start)
        .filter(|line| ["#", "//", "*"].iter().any(|comment| line.starts_with(comment)))
        .filter_map(|line| line.split_once("Proves "))
        .flat_map(|(_, rows)| RowId::all_in(rows))
        .collect::<Vec<_>>();
    let place = if text.starts_with("#!") { place.to_owned() } else { place.parent()?.join("run") };
    Some((Proof::Script(place.to_str()?.to_owned()), rows))
}
