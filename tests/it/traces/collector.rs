//! A collector of traces, as small as one can be: it takes OTLP over HTTP and keeps what it gets.

use tests::PATIENCE;

use std::{
    collections::BTreeMap,
    fmt::Write,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as Sent, span::SpanKind, status::StatusCode},
};
use poem::{
    Endpoint, Response, Route,
    endpoint::make,
    http::{StatusCode as Status, header::CONTENT_TYPE},
    post,
};
use prost::Message;
use shared::server::listener::Listener;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// A running collector.
pub(super) struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    task: JoinHandle<()>,
}

/// A span as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) service: String,
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty if it has none.
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) is_error: bool,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) events: usize,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let url = format!("http://127.0.0.1:{}", listener.local_addr().port());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let endpoint = endpoint(Arc::clone(&spans));
        let task = tokio::spawn(async move {
            let _ = listener.serve(endpoint, std::future::pending()).await;
        });
        Self { url, spans, task }
    }

    /// What the setting says.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What has arrived so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans of a trace, once those requests to the services are among them.
    pub(super) async fn trace(&self, id: &str, requests: &[&str]) -> Vec<Span> {
        let arrived = async {
            loop {
                let spans: Vec<_> = self.spans().into_iter().filter(|span| span.trace == id).collect();
                if requests.iter().all(|name| spans.iter().any(|span| span.name == *name)) {
                    return spans;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let arrived = timeout(PATIENCE, arrived).await;
        arrived.unwrap_or_else(|_| panic!("{requests:?} of {id} did not arrive: {:#?}", self.spans()))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn endpoint(spans: Arc<Mutex<Vec<Span>>>) -> impl Endpoint<Output = Response> {
    let take = make(move |mut request| {
        let spans = Arc::clone(&spans);
        async move {
            let body = request.take_body().into_vec().await.expect("the body arrives");
            let is_protobuf = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/x-protobuf");
            let Ok(export) = ExportTraceServiceRequest::decode(&*body) else { return refused() };
            if !is_protobuf {
                return refused();
            }
            spans.lock().unwrap_or_else(PoisonError::into_inner).extend(read(export));
            Response::default()
        }
    });
    poem::EndpointExt::map_to_response(Route::new().at("/v1/traces", post(take)))
}

fn refused() -> Response {
    Response::builder().status(Status::BAD_REQUEST).finish()
}

fn read(export: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in export.resource_spans {
        let attributes = text(resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        let service = attributes.get("service.name").cloned().unwrap_or_default();
        let sent = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.extend(sent.map(|sent| span(&service, sent)));
    }
    spans
}

fn span(service: &str, sent: Sent) -> Span {
    Span {
        service: service.to_owned(),
        trace: hexadecimal(&sent.trace_id),
        id: hexadecimal(&sent.span_id),
        parent: hexadecimal(&sent.parent_span_id),
        kind: sent.kind(),
        is_error: sent.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
        name: sent.name,
        attributes: text(sent.attributes),
        events: sent.events.len(),
    }
}

fn text(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let value = |attribute: KeyValue| match attribute.value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|attribute| (attribute.key.clone(), value(attribute))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
