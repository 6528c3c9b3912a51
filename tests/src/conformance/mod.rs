//! A conformance kit for resource servers: an issuer whose keys it owns, every hostile token of the attack catalogue, and a
//! verdict for each row of it.
//!
//! [`Trial`] is an API under test and the issuer that it was told to trust. [`Row`] is a line of the catalogue with its
//! [`Case`]s, made in `hostile`; [`run`] drives the API through all of them, and [`Report`] is what came of it.

mod hostile;
mod judge;
mod report;
mod row;
mod trial;

pub use self::{
    judge::Verdict,
    report::Report,
    row::{Case, Expected, Level, Row, Scope},
    trial::{Target, Trial},
};

/// What came of a row.
pub struct Outcome {
    /// Its name in the catalogue.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// How many requests were made for it.
    pub requests: usize,
    /// The worst verdict on them.
    pub verdict: Verdict,
    /// What was not as expected: the case, and what happened.
    pub findings: Vec<String>,
}

/// Drives the API through the whole catalogue, and tells each outcome as soon as it is known.
pub async fn run(trial: &Trial, mut tell: impl FnMut(&Outcome)) -> Report {
    let mut outcomes = Vec::new();
    for make in hostile::rows() {
        let outcome = run_row(trial, make(trial)).await;
        tell(&outcome);
        outcomes.push(outcome);
    }
    Report::new(trial.target().name.clone(), outcomes)
}

async fn run_row(trial: &Trial, row: Row) -> Outcome {
    let (id, title) = (row.id, row.title);
    let cases = match row.scope {
        Scope::Cases(cases) => cases,
        Scope::NotApplicable(reason) => {
            return Outcome { id, title, requests: 0, verdict: Verdict::NotApplicable, findings: vec![reason.to_owned()] };
        }
    };
    let requests = cases.len();
    let (mut verdict, mut findings) = (Verdict::Pass, Vec::new());
    let mut note = |found: Verdict, what: String| {
        verdict = verdict.max(found);
        findings.push(what);
    };
    for case in cases {
        let answer = case.call.try_send().await;
        if let Err(what) = judge::judge(case.expected, &answer) {
            let found = if what.is_grave { case.level.of_a_breach() } else { Verdict::Warning };
            note(found, format!("{}: {}", case.what, what.text));
        }
    }
    // Whatever the row did, the API lives, and knows a good token from a bad one.
    if let Err(what) =
        judge::judge(Expected::Accepted, &trial.present(&trial.token().sign(trial.issuer().key())).try_send().await)
    {
        note(Verdict::Fail, format!("a good token afterwards: {}", what.text));
    }
    if trial.was_lured() {
        note(Verdict::Fail, "the API asked for a key at a URL that a token named".to_owned());
    }
    Outcome { id, title, requests, verdict, findings }
}
