//! What the domain's failures are in HTTP's terms, outside the OAuth endpoints.

use std::time::Duration;

use shared::server::problem::Refused;

use crate::StoreError;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The database is away or busy: the caller may try again.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unavailable(error: StoreError) -> Refused {
    Refused::unavailable(&error, RETRY_AFTER)
}
