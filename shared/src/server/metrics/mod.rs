//! Counting what happens, in the `OpenMetrics` text format that Prometheus reads.
//!
//! `GET /metrics` belongs on a listener of its own: it is for the people who run the service, not for its callers. Labels
//! hold names of ours only, never anything of a caller's, so that the number of series is bounded and nobody is in them.

#[cfg(feature = "database")]
mod database;
mod process;
#[cfg(feature = "guard")]
mod refusals;
mod snapshot;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use poem::{
    Endpoint, IntoEndpoint, Response, Route,
    endpoint::make_sync,
    get,
    http::{Method, StatusCode, header},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, exemplar::HistogramWithExemplars, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::routes::Entry;
use crate::trace_context::TraceContext;
use process::Process;

pub use snapshot::Snapshot;

/// What a path is called that none of our templates matches.
pub(super) const UNMATCHED: &str = "unmatched";
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// From a cached answer to a login that waits for its turn, in seconds.
const DURATIONS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of one service. A clone is the same metrics.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Durations, fn() -> Durations>,
    rate_limited: Family<RouteLabels, Counter>,
    /// What the listener counts.
    pub(super) connections: Connections,
}

type Durations = HistogramWithExemplars<TraceLabel>;

/// What happens to connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    pub(super) open: Gauge,
    pub(super) cut: Family<CutLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CutLabels {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    method: &'static str,
    route: Arc<str>,
    status_class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Arc<str>,
}

/// Leads from a bucket to a trace that fell into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TraceLabel {
    trace_id: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics of requests and connections, to which a service adds its own.
    pub fn new() -> Self {
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Durations::new(DURATIONS.into_iter())) as fn() -> Durations);
        let rate_limited = Family::default();
        let connections = Connections::default();
        let mut registry = Registry::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_duration_seconds", "Time from a request's head to its answer", durations.clone());
        registry.register("http_requests_rate_limited", "Requests refused by a rate limit", rate_limited.clone());
        registry.register("http_connections_open", "Connections open", connections.open.clone());
        registry.register("http_connections_cut", "Connections closed by us before their time", connections.cut.clone());
        Self { registry: Arc::new(Mutex::new(registry)), requests, durations, rate_limited, connections }
    }

    /// Says which service it is, and what its process takes.
    pub fn identify(&self, service: &'static str, version: &'static str) {
        self.register(|registry| {
            registry.register(
                "build",
                "Which service it is, and which version",
                Info::new([("service", service), ("version", version)]),
            );
        });
        let process = Process::new();
        self.read(move |snapshot| process.write(snapshot));
    }

    /// Lets a service register metrics of its own; what it returns is for keeping them.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        // A panic while registering or encoding leaves nothing half done that matters here.
        register(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has `read` write metrics of its own, each time somebody asks for them. It must not wait for anything.
    pub fn read(&self, read: impl Fn(&mut Snapshot<'_>) -> fmt::Result + Send + Sync + 'static) {
        self.register(|registry| registry.register_collector(Box::new(snapshot::Reader(Box::new(read)))));
    }

    /// Everything counted, as text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.register(|registry| encode(&mut text, registry)).expect("writing to a string cannot fail");
        text
    }

    /// `GET /metrics`, and nothing else.
    pub fn endpoint(&self) -> impl Endpoint<Output = Response> + 'static {
        let this = self.clone();
        let text = make_sync(move |_| {
            Response::builder()
                .status(StatusCode::OK)
                .header(header::CONTENT_TYPE, CONTENT_TYPE)
                .header(header::CACHE_CONTROL, "no-store")
                .body(this.to_text())
        });
        Route::new().at("/metrics", get(text)).into_endpoint()
    }

    /// Counts a request. `route` is a template, so that the number of series stays bounded.
    pub(super) fn count(&self, method: &Method, route: &Arc<str>, status: StatusCode, duration: Duration, trace: TraceContext) {
        let method = known_method(method);
        self.requests.get_or_create(&RequestLabels { method, route: route.clone(), status: status.as_u16() }).inc();
        let labels = DurationLabels { method, route: route.clone(), status_class: class(status) };
        let exemplar = trace.is_sampled().then(|| TraceLabel { trace_id: trace.trace_id().to_string() });
        self.durations.get_or_create(&labels).observe(duration.as_secs_f64(), exemplar, None);
    }

    /// Counts a request that a rate limit refused.
    pub(super) fn count_rate_limited(&self, entry: Option<&Entry>) {
        let route = entry.map_or_else(|| UNMATCHED.into(), |entry| entry.template().clone());
        self.rate_limited.get_or_create(&RouteLabels { route }).inc();
    }
}

impl Connections {
    /// Counts a connection that is closed before its time.
    pub(super) fn count_cut(&self, reason: &'static str) {
        self.cut.get_or_create(&CutLabels { reason }).inc();
    }
}

/// 200 and 299 are one class (RFC 9110 §15); 499 is a client that did not wait.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// The client chooses the method's name, so only known ones become a label.
pub(super) fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_context::TRACEPARENT;

    #[tokio::test]
    async fn requests_are_counted_by_template_and_status() {
        let metrics = Metrics::new();
        let own: Counter = metrics.register(|registry| {
            let counter = Counter::default();
            registry.register("tokens_issued", "Tokens issued", counter.clone());
            counter
        });
        own.inc();
        let route = "/documents/{id}".into();
        let mut headers = poem::http::HeaderMap::new();
        headers.insert(TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
        let sampled = TraceContext::of_headers(&headers).unwrap();
        metrics.count(&Method::GET, &route, StatusCode::OK, Duration::from_millis(3), TraceContext::fresh());
        metrics.count(&Method::from_bytes(b"BREW").unwrap(), &route, StatusCode::NOT_IMPLEMENTED, Duration::ZERO, sampled);

        let request = poem::Request::builder().uri("/metrics".parse().unwrap()).finish();
        let text = metrics.endpoint().get_response(request).await.into_body().into_string().await.unwrap();

        assert!(text.contains(r#"http_requests_total{method="GET",route="/documents/{id}",status="200"} 1"#), "{text}");
        assert!(text.contains(r#"http_requests_total{method="_OTHER",route="/documents/{id}",status="501"} 1"#), "{text}");
        assert!(
            text.contains(
                r#"http_request_duration_seconds_bucket{le="0.005",method="GET",route="/documents/{id}",status_class="2xx"} 1"#
            ),
            "{text}"
        );
        assert_eq!(text.matches(r#"# {trace_id="0af7651916cd43dd8448eb211c80319c"}"#).count(), 1, "{text}");
        assert!(text.contains("tokens_issued_total 1"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
