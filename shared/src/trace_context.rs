//! W3C Trace Context: which trace a request belongs to, as the header `traceparent` says it.
//!
//! A trace that a caller names is continued, whoever the caller is: its ID is 32 hexadecimal digits and steers nothing. The
//! caller's `tracestate` is not passed on: it is text of a stranger's choice, and nobody behind us reads it.

use std::{fmt, future::Future};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;
use tracing::Span;
use uuid::Uuid;

/// The header.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The target of every span that is meant for a trace, and for nothing else: logs pass them over, exporters take no others.
pub const TRACE: &str = "trace";

/// The length of the one version there is.
const LENGTH: usize = 55;

tokio::task_local! {
    static CARRIED: TraceContext;
}

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    is_sampled: bool,
}

/// The ID of a trace; it is written in 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl TraceContext {
    /// The beginning of a trace that nobody records.
    pub fn fresh() -> Self {
        let random = || Uuid::new_v4().as_u128();
        let [.., span_id] = split(random());
        Self { trace_id: random(), span_id, is_sampled: false }
    }

    /// What a request's headers say; nothing if they say it twice, or not as they should.
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        Self::parse(value.as_bytes())
    }

    /// Reads `version-traceid-parentid-flags` (W3C Trace Context §3.2). A later version may say more, behind what this one
    /// says.
    fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let version = u8::try_from(hexadecimal(&known[..2])?).ok()?;
        let is_complete = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        if !is_complete || [2, 35, 52].iter().any(|&place| known[place] != b'-') {
            return None;
        }
        let trace_id = hexadecimal(&known[3..35]).filter(|id| *id != 0)?;
        let span_id = u64::try_from(hexadecimal(&known[36..52])?).ok().filter(|id| *id != 0)?;
        let flags = hexadecimal(&known[53..])?;
        Some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }

    /// The trace.
    pub const fn trace_id(&self) -> TraceId {
        TraceId(self.trace_id)
    }

    /// Whether somebody records it.
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// As the header says it.
    pub fn to_header(&self) -> HeaderValue {
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled));
        HeaderValue::try_from(text).expect("hexadecimal digits and hyphens are a header's characters")
    }

    /// Has everything that is done in `work` belong to this trace.
    pub fn carry<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        CARRIED.scope(self, work)
    }

    /// What a request says that is made under this span: the span itself if it is recorded or might have been, or else what
    /// the request it is made for said.
    pub(crate) fn of(span: &Span) -> Option<Self> {
        Self::recorded(span).or_else(|| CARRIED.try_with(|carried| *carried).ok())
    }

    #[cfg(not(feature = "server"))]
    fn recorded(_: &Span) -> Option<Self> {
        None
    }
}

#[cfg(feature = "server")]
mod recorded {
    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
    };
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    use super::{Span, TraceContext};

    impl TraceContext {
        /// The place of a span that an exporter knows.
        pub(crate) fn recorded(span: &Span) -> Option<Self> {
            if span.is_disabled() {
                return None;
            }
            let context = span.context();
            let known = context.span().span_context().clone();
            known.is_valid().then(|| Self {
                trace_id: u128::from_be_bytes(known.trace_id().to_bytes()),
                span_id: u64::from_be_bytes(known.span_id().to_bytes()),
                is_sampled: known.is_sampled(),
            })
        }

        /// Puts a span that has not begun yet into this trace, below the caller's.
        pub(crate) fn adopt(self, span: &Span) {
            let flags = if self.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
            let (trace, parent) = (TraceId::from(self.trace_id), SpanId::from(self.span_id));
            let caller = SpanContext::new(trace, parent, flags, true, TraceState::default());
            // There is nobody to be told when nothing is exported.
            let _ = span.set_parent(Context::new().with_remote_span_context(caller));
        }
    }
}

/// A span of something that is done for something else; what is done every few seconds for nothing but itself would only be
/// a crowd of traces with one span each.
pub(crate) fn step(span: impl FnOnce() -> Span) -> Span {
    if Span::current().is_none() { Span::none() } else { span() }
}

/// The upper and the lower half.
fn split(number: u128) -> [u64; 2] {
    let bytes = number.to_be_bytes();
    let half = |from: usize| u64::from_be_bytes(std::array::from_fn(|place| bytes[from + place]));
    [half(0), half(8)]
}

/// A number in lower-case digits: the standard knows no others.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parsed(text: &str) -> Option<TraceContext> {
        TraceContext::parse(text.as_bytes())
    }

    #[test]
    fn what_is_read_is_written_again() {
        let context = parsed(GOOD).unwrap();
        assert_eq!(context.to_header(), GOOD);
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled());
        assert!(!parsed(&GOOD.replace("-01", "-fe")).unwrap().is_sampled(), "other flags mean nothing to us");
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(parsed(&GOOD.replacen("00", "cc", 1)).is_some());
        assert!(parsed(&format!("{}-what-will-come", GOOD.replacen("00", "cc", 1))).is_some());
        assert!(parsed(&format!("{}.what-will-come", GOOD.replacen("00", "cc", 1))).is_none());
    }

    #[test]
    fn what_the_standard_forbids_is_not_read() {
        let zero_trace = GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        for bad in [
            "",
            "00",
            &GOOD[1..],
            &GOOD[..54],
            &format!("{GOOD}-"),
            &format!("{GOOD}-00"),
            &format!(" {GOOD}"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replacen("00", "0g", 1),
            &GOOD.replace('-', "_"),
            &GOOD.replace("0af7", "+af7"),
            &GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            &zero_trace,
        ] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::of_headers(&headers), None);
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert_eq!(TraceContext::of_headers(&headers), parsed(GOOD));
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert_eq!(TraceContext::of_headers(&headers), None);
    }

    #[test]
    fn a_trace_that_begins_here_is_nobody_elses() {
        let (one, other) = (TraceContext::fresh(), TraceContext::fresh());
        assert_ne!(one.trace_id(), other.trace_id());
        assert_eq!(parsed(one.to_header().to_str().unwrap()), Some(one));
    }

    #[tokio::test]
    async fn work_carries_its_trace_along() {
        let context = parsed(GOOD).unwrap();
        assert_eq!(TraceContext::of(&Span::none()), None);
        assert_eq!(context.carry(async { TraceContext::of(&Span::none()) }).await, Some(context));
    }
}
