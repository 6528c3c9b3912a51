//! What to do when `accept` fails.

use std::{io, time::Duration};

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often the log is told; success and failure may alternate many times a second.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Pauses that grow while `accept` keeps failing, so that a process without file descriptors does not also spin.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    reported: Option<Instant>,
}

impl Backoff {
    /// Ends the series of failures.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after this failure; not at all if it concerns only the one connection that was coming in.
    pub(super) fn failed(&mut self, error: &io::Error, now: Instant) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return None;
        }
        if self.reported.is_none_or(|at| now - at >= REPORT_EVERY) {
            self.reported = Some(now);
            // Usually EMFILE or ENFILE.
            tracing::error!(%error, "Cannot accept connections; is the limit of open files too low?");
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMFILE: i32 = 24;

    #[test]
    fn pauses_grow_up_to_a_second_and_start_again_after_success() {
        let mut backoff = Backoff::default();
        let no_files = || io::Error::from_raw_os_error(EMFILE);

        let pauses: Vec<_> =
            (0..8).filter_map(|_| backoff.failed(&no_files(), Instant::now())).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000]);

        backoff.succeeded();
        assert_eq!(backoff.failed(&no_files(), Instant::now()), Some(FIRST_PAUSE));
    }

    #[test]
    fn a_client_that_went_away_is_no_reason_to_pause() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(&io::ErrorKind::ConnectionAborted.into(), Instant::now()), None);
        assert_eq!(backoff.failed(&io::ErrorKind::ConnectionReset.into(), Instant::now()), None);
    }
}
