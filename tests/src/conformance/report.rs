//! What came of a trial, for people and for programs.

use std::fmt::{self, Write};

use super::{Outcome, Verdict};

/// What came of a trial.
pub struct Report {
    name: String,
    outcomes: Vec<Outcome>,
}

impl Report {
    pub(super) const fn new(name: String, outcomes: Vec<Outcome>) -> Self {
        Self { name, outcomes }
    }

    /// How many rows have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.verdict == verdict).count()
    }

    /// The report in the form of `JUnit`, which CI systems read. A warning is a passed test with output.
    pub fn junit(&self) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
            escaped(&self.name),
            self.outcomes.len(),
            self.count(Verdict::Fail),
            self.count(Verdict::NotApplicable)
        );
        for outcome in &self.outcomes {
            let findings = escaped(&outcome.findings.join("\n"));
            let inside = match outcome.verdict {
                Verdict::Pass => String::new(),
                Verdict::Warning => format!("<system-out>{findings}</system-out>"),
                Verdict::Fail => format!("<failure message=\"not as expected\">{findings}</failure>"),
                Verdict::NotApplicable => format!("<skipped message=\"{findings}\"/>"),
            };
            let (id, title) = (outcome.id, escaped(outcome.title));
            writeln!(text, "  <testcase classname=\"{id}\" name=\"{title}\">{inside}</testcase>").expect("a string takes it");
        }
        text + "</testsuite>\n"
    }

    /// The report as a page of its own.
    pub fn html(&self) -> String {
        let name = escaped(&self.name);
        let mut rows = String::new();
        for outcome in &self.outcomes {
            let findings: Vec<_> = outcome.findings.iter().take(20).map(|what| format!("<li>{}</li>", escaped(what))).collect();
            let findings = if findings.is_empty() { String::new() } else { format!("<ul>{}</ul>", findings.concat()) };
            writeln!(
                rows,
                "<tr class=\"{class}\"><td>{id}</td><td>{title}{findings}</td><td>{requests}</td><td>{verdict}</td></tr>",
                class = outcome.verdict.to_string().replace('/', "").to_lowercase(),
                id = outcome.id,
                title = escaped(outcome.title),
                requests = outcome.requests,
                verdict = outcome.verdict,
            )
            .expect("a string takes it");
        }
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Conformance of {name}</title>\n<style>\n\
             body {{ font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }}\n\
             table {{ border-collapse: collapse; width: 100% }}\n\
             td, th {{ border-bottom: 1px solid #ddd; padding: .4em; text-align: left; vertical-align: top }}\n\
             ul {{ color: #555; margin: .3em 0 }}\n\
             .pass td:last-child {{ color: #060 }} .warning td:last-child {{ color: #950 }}\n\
             .fail td:last-child {{ color: #b00; font-weight: bold }} .na {{ color: #777 }}\n</style>\n\
             <h1>Conformance of {name}</h1>\n<p>{self}. A row fails when it is not safe or breaks a standard; a warning is a\n\
             recommendation that is not followed, or a refusal in other words than the standard's.</p>\n\
             <table>\n<tr><th>row</th><th>what</th><th>requests</th><th>verdict</th></tr>\n{rows}</table>\n</html>\n"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |verdict| self.count(verdict);
        write!(
            out,
            "{} passed, {} warnings, {} failed, {} not applicable",
            count(Verdict::Pass),
            count(Verdict::Warning),
            count(Verdict::Fail),
            count(Verdict::NotApplicable)
        )
    }
}

/// Text inside XML or HTML; what neither may hold is left out.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    text.chars().filter(|char| !char.is_control() || *char == '\n').collect()
}
