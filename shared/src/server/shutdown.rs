//! When to stop: SIGTERM from whoever runs the service, SIGINT from the keyboard.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves at the first SIGTERM or SIGINT.
///
/// The shutdown that follows waits for requests in flight; a second signal ends the process at once.
pub async fn requested() {
    let signals = Signals::new();
    let Ok(mut signals) = signals.inspect_err(|error| tracing::error!(%error, "Cannot listen for signals")) else {
        return std::future::pending().await;
    };
    let name = signals.next().await;
    tracing::info!(signal = name, "Stopping on {name}; requests in flight are finished first");
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::warn!(signal = name, "Stopping at once on a second {name}");
        std::process::exit(1);
    });
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
