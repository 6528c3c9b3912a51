//! How an access token is presented, and how a request is refused (RFC 6750 §2, §3; RFC 9728 §5.1).

mod answers;
mod presentation;
mod rights;

use tests::{Challenge, Stack};

/// What a challenge of resource-service always says.
#[track_caller]
fn assert_tells_where_to_learn_more(challenge: &Challenge, stack: &Stack) {
    let metadata = format!("{}/.well-known/oauth-protected-resource", stack.resource().id());
    assert_eq!(challenge.attribute("resource_metadata"), Some(&*metadata));
}
