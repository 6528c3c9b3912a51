//! A scope as an argument.

use shared::scope::{Scope, ScopeError};

pub(super) fn parse(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|error: ScopeError| error.to_string())
}
