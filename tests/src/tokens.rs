//! What a session at a client consists of.

use crate::Answer;

/// An access token and the refresh token that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// What resource servers are shown.
    pub access: String,
    /// What the issuer is shown, once.
    pub refresh: String,
}

impl Tokens {
    /// Expects tokens of both kinds (RFC 6749 §5.1).
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        let access = answer.assert_tokens();
        let refresh = answer.json()["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token:\n{answer}")).to_owned();
        Self { access, refresh }
    }
}
