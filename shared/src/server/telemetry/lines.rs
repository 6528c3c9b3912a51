//! How a log line is written, and what keeps a client's text inside its line.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
};

use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt,
    filter::{FilterExt, filter_fn},
    fmt::{MakeWriter, format},
    layer::Filter,
};

use crate::trace_context::TRACE;

/// A layer of the subscriber.
pub(super) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Lines for people.
pub(super) fn human<W>(filter: EnvFilter, writer: W, has_colours: bool) -> BoxedLayer
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
    let layer = tracing_subscriber::fmt::layer().fmt_fields(fields.delimited(" "));
    layer.with_ansi(has_colours).with_writer(writer).with_filter(logged(filter)).boxed()
}

/// One JSON object per line.
pub(super) fn json<W>(filter: EnvFilter, writer: W) -> BoxedLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    layer.with_writer(JsonLines(writer)).with_filter(logged(filter)).boxed()
}

/// What is only meant for a trace is not logged: a line bears the request it belongs to, not the step.
fn logged(filter: EnvFilter) -> impl Filter<Registry> + Send + Sync {
    let is_for_people = |metadata: &Metadata<'_>| metadata.target() != TRACE;
    filter.and(filter_fn(is_for_people).with_max_level_hint(LevelFilter::TRACE))
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

    use tracing::Subscriber;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::server::telemetry::DEFAULT_FILTER;

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

    fn log(layer: BoxedLayer) {
        let subscriber: Box<dyn Subscriber + Send + Sync> = Box::new(Registry::default().with(layer));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("request", request_id = HOSTILE).in_scope(|| {
                let _step = tracing::info_span!(target: "trace", "step").entered();
                tracing::info!(user = HOSTILE, "Login of {HOSTILE}");
            });
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
        log(json(EnvFilter::new("info"), move || writer.clone()));

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
