//! Compares an answer with what was expected.

use std::fmt;

use super::Expected;
use crate::Answer;

/// What is to be said about a row, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It cannot be asked of this API.
    NotApplicable,
    /// As expected.
    Pass,
    /// A recommendation is not followed, or a refusal is not worded as it should be.
    Warning,
    /// It is not safe, or breaks a standard.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotApplicable => "n/a",
            Self::Pass => "pass",
            Self::Warning => "warning",
            Self::Fail => "FAIL",
        })
    }
}

/// What is not as expected.
pub(super) struct Finding {
    /// Whether it counts as a breach; otherwise only the wording of a refusal is wrong.
    pub(super) is_grave: bool,
    /// What happened.
    pub(super) text: String,
}

/// Says what is wrong with an answer, if anything.
pub(super) fn judge(expected: Expected, answer: &reqwest::Result<Answer>) -> Result<(), Finding> {
    let answer = match answer {
        Ok(answer) => answer,
        // Many HTTP libraries close the connection on what is too large for a header.
        Err(error) if expected == Expected::Malformed && !error.is_timeout() && !error.is_connect() => return Ok(()),
        Err(_) => return Err(grave("there was no answer")),
    };
    match (expected, answer.status()) {
        (Expected::Accepted, 200..=299) => Ok(()),
        (Expected::Accepted, status) => Err(grave(format!("refused with {status}"))),
        (_, 200..=299) => Err(grave("accepted")),
        (_, status @ 500..) => Err(grave(format!("answered with {status}"))),
        (Expected::NoCredentials, 401) => challenge(answer, None),
        (Expected::NoCredentials, status) => Err(grave(format!("refused with {status} instead of 401"))),
        (Expected::InvalidToken, 401) => challenge(answer, Some("invalid_token")),
        (Expected::InsufficientScope, 403) => challenge(answer, Some("insufficient_scope")),
        (Expected::InsufficientScope, status) => Err(light(format!("refused with {status} instead of 403"))),
        (Expected::InvalidToken, status) => Err(light(format!("refused with {status} instead of 401"))),
        (Expected::Malformed, 400 | 401 | 413 | 414 | 431) | (Expected::NoRole, 401 | 403) | (Expected::NotServed, 300..=499) => {
            Ok(())
        }
        (Expected::Malformed | Expected::NoRole | Expected::NotServed, status) => Err(light(format!("refused with {status}"))),
    }
}

/// RFC 6750 §3: a 401 says how to do better, and with which error code, or none.
fn challenge(answer: &Answer, error: Option<&str>) -> Result<(), Finding> {
    let headers = answer.headers().get_all("www-authenticate").iter();
    let headers: Vec<_> = headers.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()).collect();
    let Some(bearer) = headers.iter().find(|header| header.starts_with("bearer")) else {
        return Err(Finding { is_grave: answer.status() == 401, text: "refused without a bearer challenge".to_owned() });
    };
    match error {
        None if bearer.contains("error=") => Err(light("the challenge names an error, though nothing was presented")),
        Some(error) if !bearer.contains(&format!("error=\"{error}\"")) => Err(light(format!("the challenge lacks {error}"))),
        None | Some(_) => Ok(()),
    }
}

fn grave(text: impl Into<String>) -> Finding {
    Finding { is_grave: true, text: text.into() }
}

fn light(text: impl Into<String>) -> Finding {
    Finding { is_grave: false, text: text.into() }
}
