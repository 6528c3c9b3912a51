//! Names that belong to nobody: people type passwords where the user name goes.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// The key behind the audit trail, sealed at rest.
#[derive(Clone)]
pub(crate) struct NameKey(pub(crate) hmac::Key);

impl NameKey {
    /// What is recorded of a user name that nobody has: the same name gives the same text, and no text gives a name
    /// to whoever lacks the key.
    pub(crate) fn of_unknown(&self, username: &str) -> String {
        format!("username:{}", self.tag("username", username))
    }

    /// A tag that only the holder of the key can make.
    pub(super) fn tag(&self, purpose: &str, text: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [purpose, "\0", text] {
            context.update(part.as_bytes());
        }
        BASE64_URL_SAFE_NO_PAD.encode(context.sign())
    }
}
