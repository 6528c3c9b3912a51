//! How a log line is written, and what keeps a client's text inside its line.

use std::{
    borrow::Cow,
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

use crate::{server::context::Names, trace_context::TRACE};

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
    layer.with_ansi(has_colours).with_writer(Named { writer, form: Form::Human }).with_filter(logged(filter)).boxed()
}

/// One JSON object per line.
pub(super) fn json<W>(filter: EnvFilter, writer: W) -> BoxedLayer
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_current_span(false);
    layer.with_writer(Named { writer, form: Form::Json }).with_filter(logged(filter)).boxed()
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

/// What is still done to a line when it is otherwise finished: it gets the names of the request that it was written for.
///
/// A span around each request would do that, too, and cost each of them more than answering from memory does.
struct Named<M> {
    writer: M,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Human,
    Json,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Named<M> {
    type Writer = NamedLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        NamedLine { writer: self.writer.make_writer(), form: self.form }
    }
}

struct NamedLine<W> {
    writer: W,
    form: Form,
}

impl<W: Write> Write for NamedLine<W> {
    /// The subscriber writes each line in one piece, and so does this.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let finished = match self.form {
            Form::Human => text,
            Form::Json => escaped(text),
        };
        self.writer.write_all(self.form.named(finished, Names::current()).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Form {
    fn named(self, line: Cow<'_, str>, names: Option<Names>) -> Cow<'_, str> {
        let Some(Names { request_id, trace_id }) = names else { return line };
        match self {
            Self::Human => match line.strip_suffix('\n') {
                Some(rest) => format!("{rest} request_id={request_id} trace_id={trace_id}\n").into(),
                None => line,
            },
            Self::Json => match line.strip_suffix("}\n") {
                Some(rest) => format!("{rest},\"request_id\":\"{request_id}\",\"trace_id\":\"{trace_id}\"}}\n").into(),
                None => line,
            },
        }
    }
}

/// JSON escapes ASCII control characters by itself; this escapes the others, which occur only within its strings.
fn escaped(line: Cow<'_, str>) -> Cow<'_, str> {
    if line.is_ascii() {
        return line;
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if !c.is_ascii() && must_escape(c) {
            // All of them are below U+10000, so one unit of UTF-16. Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::Subscriber;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{
        server::{context::RequestContext, telemetry::DEFAULT_FILTER},
        trace_context::TraceContext,
    };

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
            let _step = tracing::info_span!(target: "trace", "step").entered();
            tracing::info!(user = HOSTILE, "Login of {HOSTILE}");
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
        assert_eq!(line.get("span"), None);
    }

    #[tokio::test]
    async fn a_line_bears_the_names_of_the_request_it_was_written_for() {
        let context = RequestContext::establish(&mut poem::Request::default(), &[], TraceContext::fresh());
        let ids = (context.request_id.to_string(), context.trace.trace_id().to_string());
        for is_json in [true, false] {
            let lines = Lines::default();
            let writer = lines.clone();
            context
                .carry(async {
                    let filter = EnvFilter::new("info");
                    log(if is_json {
                        json(filter, move || writer.clone())
                    } else {
                        human(filter, move || writer.clone(), false)
                    });
                })
                .await;
            let text = lines.text();
            if is_json {
                let line: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!((line["request_id"].as_str(), line["trace_id"].as_str()), (Some(&*ids.0), Some(&*ids.1)));
            } else {
                assert!(text.ends_with(&format!(" request_id={} trace_id={}\n", ids.0, ids.1)), "{text}");
            }
        }
    }

    #[test]
    fn the_default_filter_is_a_filter() {
        assert!(EnvFilter::try_new(DEFAULT_FILTER).is_ok());
    }
}
