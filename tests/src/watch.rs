//! What must hold after every test, whatever it is about: no service panicked, even where that was caught, and nothing
//! secret was logged.
//!
//! A test and its services share a thread, so that what is found on a thread belongs to its test. It fails when its
//! services go. Work that a service does on other threads is not seen: there a panic is an answer with 500, which
//! [`Answer`](crate::Answer) does not let pass either.

use std::{
    cell::RefCell,
    io::{self, Write},
    panic,
    sync::Once,
    thread,
};

use tracing_subscriber::{EnvFilter, util::SubscriberInitExt};

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
        let filter = EnvFilter::new("warn,auth_service=trace,resource_service=trace,shared=trace");
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).with_env_filter(filter);
        // Where somebody else listens already, as in a program of its own, that one is in charge.
        let _ = log.finish().try_init();
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

/// What the services log: looked at, and thrown away.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        if let Some(secret) = secret_in(&line) {
            find(format!("`{secret}` was logged: {line}"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
