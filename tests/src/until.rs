//! Waiting for what takes effect a moment later.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long it may take; it only ends a test that would wait for ever.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How long a service is left alone between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    until_some(what, async || is_so().await.then_some(())).await;
}

/// Looks again and again until there is something to see, and returns it.
pub async fn until_some<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("not within a minute: {what}"))
}
