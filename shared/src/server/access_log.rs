//! One line in the log, and one count in the metrics, for every request.

use std::{net::IpAddr, sync::Arc, time::Instant};

use poem::{
    Request, Response,
    http::{Method, StatusCode},
};

use super::{
    context::{RequestContext, RequestId},
    metrics::{Metrics, UNMATCHED},
    problem::Reason,
};
use crate::trace_context::TraceContext;

/// What nginx made customary for a client that closed the connection before its answer.
const CLIENT_CLOSED: u16 = 499;

/// A request being served. It is recorded when it is answered, or when its client hangs up and it is dropped.
pub(super) struct Visit<'a> {
    method: Method,
    route: Option<&'a Arc<str>>,
    request_id: RequestId,
    trace: TraceContext,
    client_ip: IpAddr,
    started: Instant,
    metrics: &'a Metrics,
    is_recorded: bool,
}

impl<'a> Visit<'a> {
    /// Begins to serve a request whose path falls under the template `route`.
    pub(super) fn begin(request: &Request, route: Option<&'a Arc<str>>, context: &RequestContext, metrics: &'a Metrics) -> Self {
        Self {
            method: request.method().clone(),
            route,
            request_id: context.request_id,
            trace: context.trace,
            client_ip: context.client_ip,
            started: Instant::now(),
            metrics,
            is_recorded: false,
        }
    }

    /// Records the answer.
    pub(super) fn finish(mut self, response: &Response) {
        self.record(response.status(), response.data::<Reason>().map(Reason::as_str));
    }

    /// The path itself is the client's text, and may hold what nobody should read: only its template is logged.
    fn record(&mut self, status: StatusCode, reason: Option<&str>) {
        self.is_recorded = true;
        let unmatched: Arc<str>;
        let route = if let Some(route) = self.route {
            route
        } else {
            unmatched = UNMATCHED.into();
            &unmatched
        };
        let duration = self.started.elapsed();
        self.metrics.count(&self.method, route, status, duration, self.trace);
        let method = self.method.as_str();
        let duration_ms = duration.as_secs_f64() * 1000.0;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "access",
                    method,
                    route = &**route,
                    status = status.as_u16(),
                    duration_ms,
                    request_id = %self.request_id,
                    trace_id = %self.trace.trace_id(),
                    client_ip = %self.client_ip,
                    reason,
                    "{method} {route} {}", status.as_u16()
                )
            };
        }
        if status.is_server_error() {
            line!(warn);
        } else if route.starts_with("/health/") {
            // A probe comes every few seconds and says nothing when all is well.
            line!(debug);
        } else {
            line!(info);
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.is_recorded
            && let Ok(status) = StatusCode::from_u16(CLIENT_CLOSED)
        {
            self.record(status, Some("the client closed the connection"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use poem::{Endpoint, IntoResponse, Route, endpoint::make_sync, get};

    use super::*;
    use crate::server::{edge::Edge, telemetry};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_refusal_is_one_line_with_the_reason_the_client_was_not_told() {
        let lines = Lines::default();
        let written = lines.clone();
        let _logging = tracing::subscriber::set_default(telemetry::json("info", move || lines.clone()));
        let routes = Route::new().at(
            "/token",
            get(make_sync(|_| {
                let mut response = StatusCode::BAD_REQUEST.into_response();
                response.set_data(Reason::new("no such user"));
                response
            })),
        );
        let app = Edge { routes: crate::server::routes::Routes::default().with("/token", &[Method::GET]), ..Edge::default() };

        let request = Request::builder().uri("/token?password=hunter2".parse().unwrap()).finish();
        let response = app.wrap(routes).call(request).await.unwrap();

        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(log.trim_end()).expect("one line of JSON");
        assert_eq!(line["message"], "GET /token 400");
        assert_eq!(line["reason"], "no such user");
        assert_eq!(line["status"], 400);
        assert_eq!(line["route"], "/token");
        assert_eq!(line["request_id"].as_str(), response.header("x-request-id"));
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
        assert_eq!(line["client_ip"], "0.0.0.0");
        assert!(!log.contains("hunter2"));
        assert!(!response.into_body().into_string().await.unwrap().contains("no such user"));
    }
}
