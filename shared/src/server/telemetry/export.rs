//! Delivers spans to a collector: OTLP over HTTP, in protobuf.
//!
//! A request never waits for it. A span that ends is put into a bounded queue, or is dropped and counted when the queue is
//! full; a task takes batches from there to the collector. A batch that the collector does not take is dropped and counted,
//! too: traces are for looking at, and a service that kept them would hold more memory the longer nobody looks.

use std::time::Duration;

use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use prost::Message;
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use url::Url;

use crate::server::metrics::Metrics;

/// How many spans may wait, and how many go in one request.
const QUEUE: usize = 4096;
const BATCH: usize = 512;
/// How long a span waits for others to go with it.
const GATHER: Duration = Duration::from_secs(1);
/// How long one request to the collector may take, and all that is left at the end.
const TIMEOUT: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(3);

/// What became of the spans.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    exported: Counter,
    dropped: Family<DropLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    reason: &'static str,
}

/// Where spans wait for their delivery.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: Counts,
}

/// The task that delivers.
pub(super) struct Delivery {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Why the collector has not got a batch.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("the collector cannot be reached: {0}")]
    Unreachable(reqwest::Error),
    #[error("the collector answered {0}")]
    Refused(reqwest::StatusCode),
}

impl DeliveryError {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "refused",
        }
    }
}

struct Courier {
    client: Client,
    url: Url,
    resource: ResourceAttributesWithSchema,
    counts: Counts,
    /// Whether the last delivery failed: the log is told when that changes.
    is_failing: bool,
}

/// Starts the task that delivers to the collector with this base URL.
pub(super) fn start(endpoint: &Url, resource: &Resource) -> Result<(Queue, Counts, Delivery), reqwest::Error> {
    // Where to connect is a setting of ours, not of the environment.
    let mut client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy();
    if endpoint.scheme() == "http" {
        client = client.tls_certs_only([]);
    }
    let mut url = endpoint.clone();
    url.set_path(&format!("{}/v1/traces", endpoint.path().trim_end_matches('/')));
    let counts = Counts::default();
    for reason in ["queue_full", "unreachable", "refused"] {
        drop(counts.dropped.get_or_create(&DropLabels { reason }));
    }
    let courier = Courier { client: client.build()?, url, resource: resource.into(), counts: counts.clone(), is_failing: false };
    let (spans, waiting) = mpsc::channel(QUEUE);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(courier.run(waiting, stopped));
    Ok((Queue { spans, counts: counts.clone() }, counts, Delivery { stop, task }))
}

impl Counts {
    /// Publishes them.
    pub(super) fn publish(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            registry.register("otlp_spans_exported", "Spans that the collector took", self.exported.clone());
            registry.register("otlp_spans_dropped", "Spans that were given up, by reason", self.dropped.clone());
        });
    }

    fn drop(&self, reason: &'static str, spans: usize) {
        self.dropped.get_or_create(&DropLabels { reason }).inc_by(spans as u64);
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.counts.drop("queue_full", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Delivery {
    /// Delivers what waits, and nothing that comes later.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        let _ = timeout(LAST, self.task).await;
    }
}

impl Courier {
    async fn run(mut self, mut waiting: mpsc::Receiver<SpanData>, mut stopped: oneshot::Receiver<()>) {
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            tokio::select! {
                _ = waiting.recv_many(&mut batch, BATCH) => {}
                _ = &mut stopped => break,
            }
            let deadline = Instant::now() + GATHER;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                tokio::select! {
                    received = timeout_at(deadline, waiting.recv_many(&mut batch, room)) => {
                        if !received.is_ok_and(|received| received > 0) { break }
                    }
                    _ = &mut stopped => {
                        waiting.close();
                        break;
                    }
                }
            }
            self.deliver(batch).await;
            if waiting.is_closed() {
                break;
            }
        }
        waiting.close();
        loop {
            let mut batch = Vec::new();
            if waiting.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            self.deliver(batch).await;
        }
    }

    async fn deliver(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len();
        if spans == 0 {
            return;
        }
        match self.send(batch).await {
            Ok(()) => {
                self.counts.exported.inc_by(spans as u64);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("The collector takes traces again");
                }
            }
            Err(error) => {
                self.counts.drop(error.reason(), spans);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Traces are given up until the collector takes them"
                    );
                }
            }
        }
    }

    async fn send(&self, batch: Vec<SpanData>) -> Result<(), DeliveryError> {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/x-protobuf").body(body);
        let answer = request.send().await.map_err(|error| DeliveryError::Unreachable(error.without_url()))?;
        if answer.status().is_success() { Ok(()) } else { Err(DeliveryError::Refused(answer.status())) }
    }
}
