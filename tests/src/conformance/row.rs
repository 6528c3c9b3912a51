//! A line of the attack catalogue, and the requests that it consists of.

use crate::{
    Call,
    conformance::{Trial, Verdict},
    jwt::Token,
};

/// A line of the catalogue.
pub struct Row {
    /// Its name: `A.JV-…` in the attack catalogue, `JV-…` in the protocol checklist.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What is asked of the API.
    pub scope: Scope,
}

/// Whether a row can be asked of this API.
pub enum Scope {
    /// These requests.
    Cases(Vec<Case>),
    /// It cannot, for this reason.
    NotApplicable(&'static str),
}

/// A request, and what must come of it.
pub struct Case {
    /// What is special about it.
    pub what: String,
    /// The request.
    pub call: Call,
    /// The answer.
    pub expected: Expected,
    /// How grave another answer is.
    pub level: Level,
}

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is served.
    Accepted,
    /// 401 with a bearer challenge that has no error code (RFC 6750 §3.1).
    NoCredentials,
    /// 401 with `error="invalid_token"`.
    InvalidToken,
    /// 400, 401, or whatever the HTTP library makes of what is no header.
    Malformed,
    /// 403 with `error="insufficient_scope"`.
    InsufficientScope,
    /// 401 or 403: whoever calls is no administrator.
    NoRole,
    /// Anything but an answer of the handler.
    NotServed,
}

/// How grave it is when a request is not answered as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A standard demands it, or a caller gets more than it may have.
    Must,
    /// Defence in depth, or one of several ways to read a standard.
    Should,
}

impl Level {
    /// What a breach of it makes of a row.
    pub(super) const fn of_a_breach(self) -> Verdict {
        match self {
            Self::Must => Verdict::Fail,
            Self::Should => Verdict::Warning,
        }
    }
}

/// Collects the cases of a row.
pub(super) struct Cases<'a> {
    trial: &'a Trial,
    level: Level,
    collected: Vec<Case>,
}

impl<'a> Cases<'a> {
    pub(super) const fn of(trial: &'a Trial) -> Self {
        Self { trial, level: Level::Must, collected: Vec::new() }
    }

    /// What follows is a recommendation.
    pub(super) const fn should(mut self) -> Self {
        self.level = Level::Should;
        self
    }

    /// Any request.
    pub(super) fn add(mut self, what: impl Into<String>, call: Call, expected: Expected) -> Self {
        self.collected.push(Case { what: what.into(), call, expected, level: self.level });
        self
    }

    /// A token, signed by the issuer, that must be accepted.
    pub(super) fn accepts(self, what: impl Into<String>, token: &Token) -> Self {
        let call = self.trial.present(&self.trial.sign(token));
        self.add(what, call, Expected::Accepted)
    }

    /// A token, signed by the issuer, that must not be accepted.
    pub(super) fn refuses(self, what: impl Into<String>, token: &Token) -> Self {
        let text = self.trial.sign(token);
        self.refuses_text(what, &text)
    }

    /// Whatever is in the place of a token must not be accepted.
    pub(super) fn refuses_text(self, what: impl Into<String>, token: &str) -> Self {
        let call = self.trial.present(token);
        self.add(what, call, Expected::InvalidToken)
    }

    /// The same, of what may not even be a token by its letters or its length.
    pub(super) fn rejects_text(self, what: impl Into<String>, token: &str) -> Self {
        let call = self.trial.present(token);
        self.add(what, call, Expected::Malformed)
    }

    /// The row.
    pub(super) fn row(self, id: &'static str, title: &'static str) -> Row {
        Row { id, title, scope: Scope::Cases(self.collected) }
    }
}
