//! What `doctor` finds: one line for everything that was looked at, and what to do about it.

use std::{fmt::Write, os::unix::fs::PermissionsExt, path::Path};

use serde::Serialize;

/// How many of the lowest bits of a mode are about others than the owner.
const OTHERS: u32 = 6;

/// Everything that was looked at.
#[derive(Debug, Default)]
pub struct Examination(Vec<Finding>);

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do, unless it is well.
    pub advice: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but not as it should.
    Warning,
    /// It does not work.
    Error,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Examination {
    /// Notes that something is as it should be.
    pub fn ok(&mut self, subject: &str, seen: impl Into<String>) {
        self.note(subject, Verdict::Ok, seen.into(), None);
    }

    /// Notes that something is not as it should be.
    pub fn warning(&mut self, subject: &str, seen: impl Into<String>, advice: impl Into<String>) {
        self.note(subject, Verdict::Warning, seen.into(), Some(advice.into()));
    }

    /// Notes that something does not work.
    pub fn error(&mut self, subject: &str, seen: impl Into<String>, advice: impl Into<String>) {
        self.note(subject, Verdict::Error, seen.into(), Some(advice.into()));
    }

    /// Looks whether a file or directory is for its owner alone; one that is not there is passed over.
    pub fn is_private(&mut self, path: &Path) {
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let (mode, subject) = (metadata.permissions().mode() & 0o777, format!("permissions of {}", path.display()));
        if mode.trailing_zeros() >= OTHERS {
            self.ok(&subject, format!("{mode:04o}"));
        } else {
            let wanted = if metadata.is_dir() { "700" } else { "600" };
            let advice = format!("others may look into it: chmod {wanted} {}", path.display());
            self.warning(&subject, format!("{mode:04o}"), advice);
        }
    }

    /// Compares our clock with another one, both in seconds since 1970.
    pub fn clock(&mut self, whose: &str, ours: i64, theirs: i64) {
        let subject = format!("clock against {whose}");
        match (ours - theirs).abs() {
            0..=2 => self.ok(&subject, "the same"),
            apart @ 3..=29 => self.warning(&subject, format!("{apart} s apart"), "let both machines keep time (NTP)"),
            apart => self.error(&subject, format!("{apart} s apart"), "tokens are refused beyond 30 s; set the clocks (NTP)"),
        }
    }

    /// Whether something does not work.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.verdict == Verdict::Error)
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// As text for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let _ = writeln!(text, "{:8} {}: {}", finding.verdict.name(), finding.subject, finding.seen);
            if let Some(advice) = &finding.advice {
                let _ = writeln!(text, "{:8} {advice}", "");
            }
        }
        text
    }

    /// As JSON for programs.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.0).expect("texts are plain JSON")
    }

    fn note(&mut self, subject: &str, verdict: Verdict, seen: String, advice: Option<String>) {
        self.0.push(Finding { subject: subject.to_owned(), verdict, seen, advice });
    }
}
