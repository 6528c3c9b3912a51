//! What must hold after every test, whatever it is about: no service panicked, even where that was caught, and nothing
//! secret was logged.
//!
//! A test and its services share a thread, so that what is found on a thread belongs to its test. It fails when its
//! services go. Work that a service does on other threads is not seen: there a panic is an answer with 500, which
//! [`Answer`](crate::Answer) does not let pass either.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    panic,
    sync::Once,
    thread,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber,
};

use crate::{ADMIN_PASSWORD, PASSWORD};

thread_local! {
    static FINDINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What no test may ever see in a log or a body: its passwords, hashes of them, private keys.
const NEVER: [&str; 4] = [PASSWORD, ADMIN_PASSWORD, "$argon2", "PRIVATE KEY"];

/// The prefixes of the secrets that the service makes, and of a signed token.
const SECRETS: [&str; 5] = ["cs_", "rt_", "ask_", "inv_", "eyJ"];

/// How long the random part of a secret is; a signed token is longer still.
const SECRET_LENGTH: usize = 43;

/// Begins to watch, if nobody does yet: it is for the whole process.
pub(crate) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            told(panic);
            // A test that fails is no finding, and says so itself.
            if let Some(place) = panic.location().filter(|place| !place.file().starts_with("tests/")) {
                find(format!("a panic at {place}"));
            }
        }));
        // Where somebody else listens already, as in a program of its own, that one is in charge.
        let _ = subscriber::set_global_default(Log);
    });
}

/// Fails the test on whose thread something was found.
pub(crate) fn end() {
    let findings = FINDINGS.take();
    assert!(findings.is_empty() || thread::panicking(), "after the test: {}", findings.join("\n"));
}

/// The first secret in a text that must not hold any, as far as it may be shown.
fn secret_in(text: &str) -> Option<&str> {
    never_in(text).or_else(|| {
        SECRETS.into_iter().find(|prefix| {
            text.match_indices(prefix).any(|(at, _)| {
                let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
                let starts = !text[..at].ends_with(is_part);
                let rest = &text[at + prefix.len()..];
                starts && rest.find(|letter| !is_part(letter)).unwrap_or(rest.len()) >= SECRET_LENGTH
            })
        })
    })
}

/// What stands in a body although it never may.
pub(crate) fn never_in(text: &str) -> Option<&'static str> {
    NEVER.into_iter().find(|secret| text.contains(secret))
}

fn find(finding: String) {
    // Nobody reads it any more where the thread is about to end.
    let _ = FINDINGS.try_with(|findings| findings.borrow_mut().push(finding));
}

/// Looks at all that the services log, and keeps nothing of it.
struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = ["auth_service", "resource_service", "shared"].iter().any(|name| metadata.target().starts_with(name));
        is_ours || *metadata.level() <= Level::WARN
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line::default();
        span.record(&mut line);
        line.look();
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        let mut line = Line::default();
        values.record(&mut line);
        line.look();
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        line.look();
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The fields of an event, one after the other.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").expect("a String takes any text");
    }
}

impl Line {
    fn look(&self) {
        if let Some(secret) = secret_in(&self.0) {
            find(format!("`{secret}` was logged:{}", self.0));
        }
    }
}
