//! What every request passes through, and every answer: read [`Edge::wrap`]'s `call` for the order.

use std::{panic::AssertUnwindSafe, sync::Arc, task::Poll};

use futures_util::{FutureExt, poll};
use ipnet::IpNet;
use poem::{
    Endpoint, IntoEndpoint, IntoResponse, Request, Response,
    http::{HeaderValue, Method, StatusCode, header},
};
use tracing::Instrument;

use super::{
    access_log::Visit,
    context::{REQUEST_ID, RequestContext, RequestId},
    cors::{Asking, Cors},
    limits::Limits,
    listener::Unserved,
    metrics::Metrics,
    problem::{Reason, answer},
    rate_limit::{Allowance, RateLimits},
    routes::{Entry, Routes},
    security_headers,
    server_span::ServerSpan,
    transport,
};

/// `Retry-After` in seconds where nobody knows better.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");
/// `Allow` for a path of which the edge knows no methods.
static READ_ONLY: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// The edge of a service: what is the same for every request, wherever it goes.
#[derive(Clone, Default)]
pub struct Edge {
    /// The service's paths, from its `OpenAPI` document.
    pub routes: Routes,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which web pages may call.
    pub cors: Cors,
    /// How much is accepted, and for how long.
    pub limits: Limits,
    /// How often anybody may come; none: as often as they like.
    pub rate_limits: Option<Arc<RateLimits>>,
    /// Refuses what comes in the clear, unless a trusted proxy says that it came to it over HTTPS.
    pub https_only: bool,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Whether to tell browsers to use HTTPS only, for this host and all below it, for two years.
    pub hsts: bool,
    /// Gives errors the form that a protocol wants at some paths; none: every error is a problem.
    pub error_shape: Option<ErrorShape>,
}

/// Makes the answer to an error at a path, given as its template, or hands the error back for a problem to be made of it.
pub type ErrorShape = fn(template: &str, error: poem::Error) -> Result<Response, poem::Error>;

impl Edge {
    /// Puts the edge around a service's routes.
    ///
    /// Every answer leaves with a request id, the security headers and, if it is an error that no handler shaped, a problem
    /// for a body. A panic in a handler is a 500 and leaves the connection and the process as they were.
    pub fn wrap<R>(self, routes: R) -> impl Endpoint<Output = Response> + 'static
    where
        R: IntoEndpoint,
        R::Endpoint: 'static,
    {
        Wrapped { edge: self, inner: Arc::new(routes.into_endpoint()) }
    }
}

struct Wrapped<E> {
    edge: Edge,
    inner: Arc<E>,
}

impl<E: Endpoint> Endpoint for Wrapped<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let edge = &self.edge;
        let entry = edge.routes.find(request.uri().path());
        let route = entry.map(Entry::template);
        let serving = ServerSpan::begin(&request, route.map(|route| &**route));
        let context = RequestContext::establish(&mut request, &edge.trusted_proxies, serving.context());
        serving.identify(context.request_id);
        let visit = Visit::begin(&request, route, &context, &edge.metrics);
        let is_public = edge.cors.is_public(request.uri().path());
        let asking = Asking::new(request.headers(), is_public);
        let allowance = Allowance::open(edge.rate_limits.as_ref(), &mut request, context.client_ip);
        allowance.arrive(request.headers()).await;

        // In a box, or each of the futures around it would be made by copying all of it.
        let answering = context.carry(Box::pin(self.answer(request, entry, context.request_id, &allowance)));
        let mut response = answering.instrument(serving.span()).await;

        allowance.tell(&mut response);
        edge.cors.apply(&mut response, &asking);
        security_headers::apply(&mut response, is_public, edge.hsts);
        response.headers_mut().insert(REQUEST_ID, context.request_id.to_header());
        serving.finish(response.status());
        visit.finish(&response);
        Ok(response)
    }
}

impl<E: Endpoint> Wrapped<E> {
    async fn answer(&self, request: Request, entry: Option<&Entry>, request_id: RequestId, allowance: &Allowance) -> Response {
        let methods = entry.map_or(&READ_ONLY, Entry::allow);
        // A path that takes OPTIONS itself gets its preflights, too.
        let takes_options = entry.is_some_and(|entry| entry.methods().contains(&Method::OPTIONS));
        if !takes_options && let Some(preflight) = self.edge.cors.preflight(&request, methods) {
            return answer::complete(preflight, request_id).await;
        }
        let mut response = match AssertUnwindSafe(self.serve(request, entry, allowance)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => self.refuse(error, entry),
            Err(panic) => answer::from_panic(&*panic),
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            // RFC 9110 §15.5.6: a 405 says what can be used instead.
            response.headers_mut().entry(header::ALLOW).or_insert_with(|| methods.clone());
        } else if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().entry(header::RETRY_AFTER).or_insert(RETRY_SOON);
        }
        answer::complete(response, request_id).await
    }

    fn refuse(&self, error: poem::Error, entry: Option<&Entry>) -> Response {
        let reason = error.data::<Reason>().cloned();
        let shaped = match (self.edge.error_shape, entry) {
            (Some(shape), Some(entry)) => shape(entry.template(), error),
            (None, _) | (_, None) => Err(error),
        };
        match shaped {
            Ok(mut response) => {
                if let Some(reason) = reason {
                    response.set_data(reason);
                }
                response
            }
            Err(error) => answer::from_error(error, entry),
        }
    }

    async fn serve(&self, request: Request, entry: Option<&Entry>, allowance: &Allowance) -> poem::Result<Response> {
        if let Some(&unserved) = request.extensions().get::<Unserved>() {
            return Err(unserved.into());
        }
        allowance.check().inspect_err(|_| self.edge.metrics.count_rate_limited(entry))?;
        if self.edge.https_only {
            transport::check(&request, &self.edge.trusted_proxies)?;
        }
        let limits = &self.edge.limits;
        let request = limits.admit(request).await?;
        let mut answering = Box::pin(self.inner.call(request));
        // Most answers are there at once, and take no timer.
        let answered = match poll!(&mut answering) {
            Poll::Ready(answered) => answered,
            Poll::Pending => tokio::time::timeout(limits.handler_deadline, answering).await.map_err(|_| overdue())?,
        };
        answered.map(IntoResponse::into_response)
    }
}

fn overdue() -> poem::Error {
    let mut error = poem::Error::from_status(StatusCode::SERVICE_UNAVAILABLE);
    error.set_data(Reason::new("the handler did not answer in time"));
    error
}

#[cfg(test)]
mod tests;
