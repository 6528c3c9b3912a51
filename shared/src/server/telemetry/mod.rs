//! Logs, for people in a terminal and as JSON lines otherwise; and traces, for a collector that the settings name.
//!
//! Whatever a client managed to get into a log line stays inside that line: control characters and the Unicode line
//! separators are written as escapes in both forms (`lines.rs`). A trace gets spans of ours and nothing else: no log line,
//! no library's span with a statement in it, no text of a client (`traces.rs`).

mod export;
mod lines;
mod traces;

use std::{
    io::{self, IsTerminal},
    panic::PanicHookInfo,
    str::FromStr,
};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Registry,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use super::metrics::Metrics;
use traces::Exporting;

pub use traces::{Traces, collector, sampling_ratio};

/// How many lines may wait for whoever reads the log. What comes while that many wait is lost, and nobody waits for it.
const WAITING_LINES: usize = 16_384;

/// What is logged when nobody says otherwise: ourselves, and what libraries warn of. Statements of SQL are not logged.
pub const DEFAULT_FILTER: &str =
    "info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,hyper=warn,hyper_util=warn,h2=warn,rustls=warn";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people where the log goes to a terminal, JSON where it does not.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("expected auto, human or json".to_owned()),
        }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("expected a filter such as info or info,sqlx=debug")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Somebody else logs already.
    #[error("logging is set up already")]
    SetUp(#[source] TryInitError),
    /// The HTTP client for the collector cannot be set up, as when TLS finds no trusted certificates on this system.
    #[error("traces cannot be exported")]
    Traces(#[source] reqwest::Error),
}

/// Logs and traces as they were set up. What is still to be logged is, when it is dropped.
#[must_use = "the last spans are lost unless it is finished"]
pub struct Telemetry {
    exporting: Option<Exporting>,
    _writer: WorkerGuard,
}

/// Sends log lines that pass `filter` to standard error, and panics with them; sends traces where `traces` says, if it does.
///
/// Standard output stays free for what a command prints. A thread of its own writes the lines: were they written where they
/// are made, a pipe that nobody reads would stop the whole service, a request at a time. Exporting traces takes a runtime,
/// the current one.
pub fn init(filter: &str, format: Format, traces: Option<&Traces>) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(filter).map_err(TelemetryError::Filter)?;
    let is_terminal = io::stderr().is_terminal();
    let is_human = match format {
        Format::Human => true,
        Format::Json => false,
        Format::Auto => is_terminal,
    };
    let (stderr, writer) = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).finish(io::stderr());
    let lines = if is_human { lines::human(filter, stderr, is_terminal) } else { lines::json(filter, stderr) };
    let (exporting, layer) = traces.map(traces::start).transpose().map_err(TelemetryError::Traces)?.unzip();
    let layers: Vec<_> = [Some(lines), layer].into_iter().flatten().collect();
    Registry::default().with(layers).try_init().map_err(TelemetryError::SetUp)?;
    std::panic::set_hook(Box::new(record_panic));
    Ok(Telemetry { exporting, _writer: writer })
}

impl Telemetry {
    /// Publishes what became of the spans.
    pub fn publish(&self, metrics: &Metrics) {
        if let Some(exporting) = &self.exporting {
            exporting.publish(metrics);
        }
    }

    /// Delivers what is left, for a few seconds at most.
    pub async fn finish(self) {
        if let Some(exporting) = self.exporting {
            exporting.finish().await;
        }
    }
}

/// A subscriber for a test that reads the log.
#[cfg(test)]
pub(super) fn json<W>(filter: &str, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    Registry::default().with(lines::json(EnvFilter::new(filter), writer))
}

/// A panic is logged where it happens, with the request it happened in; what becomes of the request is the edge's business.
fn record_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("of an unknown kind");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, "Panic: {message}");
}
