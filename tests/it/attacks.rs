//! The attack catalogue and the tests agree: every row has a proof, and every proof names rows that there are.
//!
//! When tests have come or gone, `UPDATE_ATTACKS=1 cargo test -p tests --test it attacks::` writes the page anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use tests::{
    attacks::{Catalogue, Passed, Proof, RowId, Tally, proofs},
    repository,
};

fn catalogue() -> Catalogue {
    let page = repository().join("docs/attacks.md");
    let text = fs::read_to_string(page).expect("the page can be read");
    Catalogue::parse(text).unwrap_or_else(|error| panic!("{error:#}"))
}

fn all_proofs() -> BTreeMap<Proof, BTreeSet<RowId>> {
    proofs(&repository()).expect("the sources can be read")
}

#[test]
fn every_row_that_must_hold_has_a_proof() {
    let named: BTreeSet<RowId> = all_proofs().into_values().flatten().collect();

    let missing: Vec<_> =
        catalogue().rows().iter().filter(|row| row.is_required && !named.contains(&row.id)).map(|row| row.id.clone()).collect();

    assert!(missing.is_empty(), "nothing names {missing:?}");
}

#[test]
fn every_proof_names_rows_that_there_are() {
    let known: BTreeSet<RowId> = catalogue().rows().iter().map(|row| row.id.clone()).collect();

    for (proof, rows) in all_proofs() {
        let unknown: Vec<_> = rows.difference(&known).collect();
        assert!(unknown.is_empty(), "{proof} names {unknown:?}");
    }
}

#[test]
fn the_page_says_what_proves_each_row() {
    let catalogue = catalogue();

    let page = catalogue.with(&all_proofs());

    if env::var_os("UPDATE_ATTACKS").is_some() {
        fs::write(repository().join("docs/attacks.md"), page).expect("the page can be written");
        return;
    }
    for (kept, made) in catalogue.text().lines().zip(page.lines()) {
        assert_eq!(kept, made, "docs/attacks.md is not what the sources say; UPDATE_ATTACKS=1 writes it anew");
    }
}

#[test]
fn names_are_found_in_comments_and_in_the_names_of_tests() {
    let ids = |text: &[&str]| text.iter().map(|id| RowId::parse(id).expect("a name")).collect::<Vec<_>>();

    assert_eq!(RowId::all_in(" A.TE-04, A.TE-05: twice (A.RR-15)."), ids(&["A.TE-04", "A.TE-05", "A.RR-15"]));
    assert_eq!(RowId::all_in("A.TE-4, AA.TE-04, a.te-04, A.TE-041"), ids(&[]));
    assert_eq!(RowId::all_of_test("cc_02_a_te_13_a_rr_06_there_is_a_key"), ids(&["A.TE-13", "A.RR-06"]));
    assert_eq!(RowId::all_of_test("te_04_a_key_of_10_is_a_key"), ids(&[]));
}

#[test]
fn a_row_counts_when_every_proof_of_it_ran_and_passed() {
    let page = "| A.TE-01 | 1 | a | b \\| c | – |\n| A.TE-02 | 1 | a | b | – |\n| A.TE-03 | 1 | a | b | – |\n| A.AC-01 | 2 | a | b | – |\n";
    let catalogue = Catalogue::parse(page.to_owned()).expect("a catalogue");
    let row = |id: &str| BTreeSet::from([RowId::parse(id).expect("a name")]);
    let proofs = BTreeMap::from([
        (Proof::Test("one::passes".to_owned()), row("A.TE-01")),
        (Proof::Script("tests/one/run".to_owned()), row("A.TE-01")),
        (Proof::Test("one::fails".to_owned()), row("A.TE-02")),
        (Proof::Test("one::did_not_run".to_owned()), row("A.TE-03")),
    ]);
    let log = "running 2 tests\ntest one::passes ... ok\ntest one::fails ... FAILED\n";

    let run = Passed::read(log);
    let without_script = Tally::of("SQLite", &catalogue, &proofs, &run);
    let with_script = Tally::of("SQLite", &catalogue, &proofs, &run.clone().with_scripts("tests/one/run --all\n"));

    assert_eq!((without_script.passed(), without_script.written()), (0, 3));
    assert_eq!((with_script.passed(), with_script.written(), with_script.is_whole()), (1, 3, false));
    assert!(with_script.to_string().contains("A.TE-03 on SQLite: failed or did not run: one::did_not_run"), "{with_script}");
}

#[test]
fn a_panic_in_a_log_is_no_pass() {
    let catalogue = Catalogue::parse("| A.TE-01 | 1 | a | b | – |\n".to_owned()).expect("a catalogue");
    let proofs =
        BTreeMap::from([(Proof::Test("one::passes".to_owned()), BTreeSet::from([RowId::parse("A.TE-01").expect("a name")]))]);

    for (place, is_whole) in [("shared/src/guard/mod.rs:1:1", false), ("tests/it/attacks.rs:1:1", true)] {
        let log = format!("thread 'tokio-rt-worker' panicked at {place}:\ntest one::passes ... ok\n");
        let tally = Tally::of("PostgreSQL", &catalogue, &proofs, &Passed::read(&log));
        assert_eq!((tally.passed(), tally.written(), tally.is_whole()), (1, 1, is_whole));
    }
}
