//! Logs: for people in a terminal, as JSON lines otherwise.
//!
//! Whatever a client managed to get into a log line stays inside that line: control characters and the Unicode line
//! separators are written as escapes in both forms.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal, Write},
    panic::PanicHookInfo,
    str::FromStr,
};

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::{MakeWriter, format},
    util::{SubscriberInitExt, TryInitError},
};

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
}

/// The log. What is still to be written is, when it is dropped.
#[must_use]
pub struct Log {
    _writer: WorkerGuard,
}

/// Sends log lines that pass `filter` to standard error, and panics with them.
///
/// Standard output stays free for what a command prints. A thread of its own writes the lines: were they written where they
/// are made, a pipe that nobody reads would stop the whole service, a request at a time.
pub fn init(filter: &str, format: Format) -> Result<Log, TelemetryError> {
    let filter = EnvFilter::try_new(filter).map_err(TelemetryError::Filter)?;
    let is_terminal = io::stderr().is_terminal();
    let is_human = match format {
        Format::Human => true,
        Format::Json => false,
        Format::Auto => is_terminal,
    };
    let (stderr, writer) = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).finish(io::stderr());
    let set_up = if is_human { human(filter, stderr, is_terminal).try_init() } else { json_lines(filter, stderr).try_init() };
    set_up.map_err(TelemetryError::SetUp)?;
    std::panic::set_hook(Box::new(record_panic));
    Ok(Log { _writer: writer })
}

fn human<W>(filter: EnvFilter, writer: W, has_colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let fields = format::debug_fn(|writer, field, value| {
        let mut writer = Escaping(writer);
        match field.name() {
            "message" => write!(writer, "{value:?}"),
            name => write!(writer, "{name}={value:?}"),
        }
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).fmt_fields(fields.delimited(" "));
    builder.with_ansi(has_colours).with_writer(writer).finish()
}

fn json_lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).json();
    builder.flatten_event(true).with_span_list(false).with_writer(JsonLines(writer)).finish()
}

/// A subscriber for a test that reads the log.
#[cfg(test)]
pub(super) fn json<W>(filter: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    json_lines(EnvFilter::new(filter), writer)
}

/// A panic is logged where it happens, with the request it happened in; what becomes of the request is the edge's business.
fn record_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("of an unknown kind");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, "Panic: {message}");
}

/// Text for a terminal or a line-oriented reader: nothing in it moves the cursor or ends the line.
struct Escaping<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(
            |c| {
                if must_escape(c) { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
            },
        )
    }
}

fn must_escape(c: char) -> bool {
    // Also the marks that change the direction of writing, with which a line can be made to read as another.
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// JSON escapes ASCII control characters by itself; this escapes the others, which occur only within its strings.
struct JsonLines<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for JsonLines<M> {
    type Writer = JsonLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }
}

struct JsonLine<W>(W);

impl<W: Write> Write for JsonLine<W> {
    /// The subscriber writes each line in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if !line.is_ascii() => self.0.write_all(escaped(text).as_bytes())?,
            Ok(_) | Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if !c.is_ascii() && must_escape(c) {
            // All of them are below U+10000, so one unit of UTF-16. Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const HOSTILE: &str = "ada\n{\"level\":\"info\"}\r\u{1b}[2J\u{2028}\u{85}\u{202e}\"";

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn log(subscriber: impl Subscriber + Send + Sync) {
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("request", request_id = HOSTILE)
                .in_scope(|| tracing::info!(user = HOSTILE, "Login of {HOSTILE}"));
        });
    }

    #[test]
    fn hostile_text_stays_in_its_line_for_people() {
        let lines = Lines::default();
        let writer = lines.clone();
        log(human(EnvFilter::new("info"), move || writer.clone(), false));

        let text = lines.text();
        assert_eq!(text.chars().filter(|c| must_escape(*c)).collect::<String>(), "\n", "{text}");
        assert!(text.contains("Login of ada\\n{"), "{text}");
    }

    #[test]
    fn hostile_text_stays_in_its_line_for_programs_and_means_the_same() {
        let lines = Lines::default();
        let writer = lines.clone();
        log(json_lines(EnvFilter::new("info"), move || writer.clone()));

        let text = lines.text();
        assert_eq!(text.chars().filter(|c| must_escape(*c)).collect::<String>(), "\n", "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["user"], HOSTILE);
        assert_eq!(line["message"], format!("Login of {HOSTILE}"));
        assert_eq!(line["span"]["request_id"], HOSTILE);
    }

    #[test]
    fn the_default_filter_is_a_filter() {
        assert!(EnvFilter::try_new(DEFAULT_FILTER).is_ok());
    }
}
