//! Traces: which spans are exported, how many of them, and as whose.

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider, SpanLimits},
};
use tracing::{Metadata, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn};
use url::Url;
use uuid::Uuid;

use super::{
    export::{self, Counts, Delivery},
    lines::BoxedLayer,
};
use crate::{
    server::{metrics::Metrics, settings},
    trace_context::TRACE,
};

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Traces {
    /// The base URL of a collector that takes OTLP over HTTP.
    pub endpoint: Url,
    /// Whose spans they are.
    pub service: &'static str,
    /// Which version of it.
    pub version: &'static str,
    /// The part of the traces that begin here which is exported. Those that a caller began are as the caller decided.
    pub ratio: f64,
}

/// Traces on their way.
pub(super) struct Exporting {
    /// Dropping it would end the exporting.
    provider: SdkTracerProvider,
    counts: Counts,
    delivery: Delivery,
}

/// Reads the part of traces to export: a number from 0 to 1.
pub fn sampling_ratio(value: &str) -> Result<f64, String> {
    let ratio = value.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "expected a number from 0 to 1, such as 0.1".to_owned())
}

/// Reads the base URL of a collector, without what comes after it.
pub fn collector(value: &str) -> Result<Url, String> {
    let normal = settings::url(value)?;
    Url::parse(&normal).map_err(|error| error.to_string())
}

/// Starts to export, and returns the layer that makes spans of ours into spans of a trace.
pub(super) fn start(traces: &Traces) -> Result<(Exporting, BoxedLayer), reqwest::Error> {
    // Every value is given: the SDK would take what is not from environment variables that are no settings of ours.
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", traces.service),
            KeyValue::new("service.version", traces.version),
            KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
        ])
        .build();
    let (queue, counts, delivery) = export::start(&traces.endpoint, &resource)?;
    let provider = SdkTracerProvider::builder()
        .with_span_processor(queue)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(traces.ratio))))
        .with_span_limits(SpanLimits::default())
        .with_resource(resource)
        .build();
    let is_ours = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == TRACE;
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(traces.service))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_ours).with_max_level_hint(LevelFilter::INFO));
    Ok((Exporting { provider, counts, delivery }, layer.boxed()))
}

impl Exporting {
    pub(super) fn publish(&self, metrics: &Metrics) {
        self.counts.publish(metrics);
    }

    pub(super) async fn finish(self) {
        self.delivery.finish().await;
        drop(self.provider);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_number_from_0_to_1() {
        assert_eq!(sampling_ratio("0.25"), Ok(0.25));
        assert_eq!((sampling_ratio("0"), sampling_ratio("1")), (Ok(0.0), Ok(1.0)));
        for bad in ["", "on", "-0.1", "1.1", "NaN", "inf", "10%"] {
            assert!(sampling_ratio(bad).is_err(), "{bad}");
        }
    }
}
