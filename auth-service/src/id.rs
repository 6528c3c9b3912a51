//! Identifiers: a prefix that says of what, and a `UUIDv7`.

use uuid::Uuid;

/// The prefix of users. No client may have an identifier that begins with it, so that none can pass for a user.
pub(crate) const USER: &str = "usr_";

/// A new identifier for a user.
pub(crate) fn user() -> String {
    with_prefix(USER)
}

/// A new identifier for an audit event.
pub(crate) fn audit_event() -> String {
    with_prefix("evt_")
}

/// A new identifier for an API key, which is also what the key begins with.
pub(crate) fn api_key() -> String {
    with_prefix("ask_")
}

/// A new identifier for a session.
pub(crate) fn session() -> String {
    with_prefix("ses_")
}

/// A new identifier for an invitation: of its row, not the code.
pub(crate) fn invitation() -> String {
    with_prefix("ivt_")
}

/// A new identifier for a client secret: of its row, not the secret.
pub(crate) fn client_secret() -> String {
    with_prefix("sec_")
}

/// A new identifier for a status list: random, for it goes to strangers.
pub(crate) fn status_list() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A new identifier for an access token: random, for it goes to strangers and should not tell when it was made.
pub(crate) fn access_token() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Where the generations of a new client begin: random, so that one of a name that was used before does not go on from it.
pub(crate) fn generation() -> i64 {
    i64::try_from(Uuid::new_v4().as_u64_pair().0 >> 2).unwrap_or_default()
}

/// A mark that there has not been before.
pub(crate) fn mark() -> String {
    Uuid::new_v4().simple().to_string()
}

fn with_prefix(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::now_v7().simple())
}
