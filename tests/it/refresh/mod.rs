//! Refreshing (RFC 6749 §6, RFC 9700 §4.14, RFC 8707 §2.2).

mod form;
mod holder;
mod lifetime;
mod repeats;
mod rights;
mod rotation;

use tests::{Answer, Stack};

/// Expects the one answer to every refresh token that is not good.
#[track_caller]
fn assert_refused(answer: &Answer) {
    answer.assert_oauth_error(400, "invalid_grant");
}

/// Why sessions ended, as the audit log has it.
async fn ends(stack: &Stack) -> Vec<String> {
    let rows = stack.auth_home().database().rows("SELECT reason FROM audit_event WHERE action = 'session.end'").await;
    rows.iter().map(|row| row.try_get("", "reason").expect("an end has a reason")).collect()
}
