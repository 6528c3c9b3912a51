//! What the edge knows about a request, for handlers, logs and audit records.

use std::{fmt, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use poem::{
    FromRequest, Request, RequestBody,
    error::GetDataError,
    http::{HeaderValue, header},
};
use tokio::task::futures::TaskLocalFuture;
use uuid::{Uuid, fmt::Simple};

use super::client_ip::client_ip;
use crate::trace_context::{TraceContext, TraceId};

/// The header that carries the request id to the client.
pub const REQUEST_ID: &str = "x-request-id";

/// The longest `User-Agent` that is kept, in bytes.
const USER_AGENT_LEN: usize = 256;

tokio::task_local! {
    static SERVED: Names;
}

/// The id of a request; it is written in 32 hexadecimal digits.
///
/// Made here for every request, never taken from the client: log lines must not be steerable from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// As the header says it.
    pub(super) fn to_header(self) -> HeaderValue {
        let mut digits = [0; Simple::LENGTH];
        HeaderValue::from_str(self.0.as_simple().encode_lower(&mut digits)).expect("it is hexadecimal")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_simple(), out)
    }
}

/// What a line in the log says about the request it was written for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) request_id: RequestId,
    pub(super) trace_id: TraceId,
}

impl Names {
    /// Those of the request that is being served here and now, if one is.
    pub(super) fn current() -> Option<Self> {
        SERVED.try_with(|names| *names).ok()
    }
}

/// Where a request comes from, and the id under which everything about it can be found.
///
/// A handler takes it as an argument; it is there on every request that came through the edge.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Under which everything about it can be found.
    pub request_id: RequestId,
    /// The trace it belongs to: the caller's, or one that begins here.
    pub trace: TraceContext,
    /// The client's address behind any trusted proxy.
    pub client_ip: IpAddr,
    /// What the client calls itself, cut to a reasonable length.
    pub user_agent: Option<Arc<str>>,
}

impl RequestContext {
    /// Gives `request` its context.
    pub(super) fn establish(request: &mut Request, trusted_proxies: &[IpNet], trace: TraceContext) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let context = Self {
            request_id: RequestId::new(),
            trace,
            client_ip: client_ip(request, trusted_proxies),
            // `to_str` gave visible ASCII only, so any byte is a character boundary.
            user_agent: user_agent.map(|text| text[..text.len().min(USER_AGENT_LEN)].into()),
        };
        request.extensions_mut().insert(context.clone());
        context
    }

    /// Has every line that is logged in `work` bear the names of this request, and every request that is made in it go on in
    /// the same trace.
    pub(super) fn carry<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let names = Names { request_id: self.request_id, trace_id: self.trace.trace_id() };
        let work: TaskLocalFuture<Names, F> = SERVED.scope(names, work);
        self.trace.carry(work)
    }
}

impl<'a> FromRequest<'a> for RequestContext {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| GetDataError("RequestContext").into())
    }
}
