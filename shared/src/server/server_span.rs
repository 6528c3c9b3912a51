//! The span of a request, after the semantic conventions for HTTP servers, for traces and for whoever is asked next.
//!
//! The path itself is the client's text, and may hold what nobody should read: only its template is told. Where traces are
//! not exported there is no span, and the request goes on in the trace that its caller named, or in a new one.

use poem::{
    Request,
    http::{Method, StatusCode},
};
use tracing::{Span, field::Empty};

use super::{context::RequestId, metrics::known_method};
use crate::trace_context::{TRACE, TraceContext};

/// A request being served, as a trace sees it.
pub(super) struct ServerSpan {
    span: Span,
    context: TraceContext,
}

impl ServerSpan {
    /// Begins the span of a request whose path falls under the template `route`.
    pub(super) fn begin(request: &Request, route: Option<&str>) -> Self {
        let caller = TraceContext::of_headers(request.headers());
        let method = known_method(request.method());
        let span = tracing::info_span!(
            target: TRACE,
            "request",
            otel.name = name(request.method(), route),
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            url.scheme = request.scheme().as_str(),
            request.id = Empty,
        );
        if let Some(caller) = caller {
            caller.adopt(&span);
        }
        let context = TraceContext::recorded(&span).or(caller).unwrap_or_else(TraceContext::fresh);
        Self { span, context }
    }

    /// Where the request is in its trace.
    pub(super) const fn context(&self) -> TraceContext {
        self.context
    }

    /// What is done for the request is done in here.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes the id by which the log knows the request.
    pub(super) fn identify(&self, request_id: RequestId) {
        if !self.span.is_disabled() {
            self.span.record("request.id", tracing::field::display(request_id));
        }
    }

    /// Notes the answer. What the client did wrong is no error of the server's.
    pub(super) fn finish(self, status: StatusCode) {
        self.span.record("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

fn name(method: &Method, route: Option<&str>) -> String {
    match route {
        Some(route) => format!("{} {route}", known_method(method)),
        None => known_method(method).to_owned(),
    }
}
