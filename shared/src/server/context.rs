//! What the edge knows about a request, for handlers, logs and audit records.

use std::net::IpAddr;

use ipnet::IpNet;
use poem::{FromRequest, Request, RequestBody, error::GetDataError, http::header};
use uuid::Uuid;

use super::client_ip::client_ip;
use crate::trace_context::TraceContext;

/// The header that carries the request id to the client.
pub const REQUEST_ID: &str = "x-request-id";

/// The longest `User-Agent` that is kept, in bytes.
const USER_AGENT_LEN: usize = 256;

/// Where a request comes from, and the id under which everything about it can be found.
///
/// A handler takes it as an argument; it is there on every request that came through the edge.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Made here for every request, never taken from the client: log lines must not be steerable from outside.
    pub request_id: String,
    /// The trace it belongs to: the caller's, or one that begins here.
    pub trace: TraceContext,
    /// The client's address behind any trusted proxy.
    pub client_ip: IpAddr,
    /// What the client calls itself, cut to a reasonable length.
    pub user_agent: Option<String>,
}

impl RequestContext {
    /// Gives `request` its context.
    pub(super) fn establish(request: &mut Request, trusted_proxies: &[IpNet], trace: TraceContext) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let context = Self {
            request_id: Uuid::now_v7().simple().to_string(),
            trace,
            client_ip: client_ip(request, trusted_proxies),
            // `to_str` gave visible ASCII only, so any byte is a character boundary.
            user_agent: user_agent.map(|text| text[..text.len().min(USER_AGENT_LEN)].to_owned()),
        };
        request.extensions_mut().insert(context.clone());
        context
    }
}

impl<'a> FromRequest<'a> for RequestContext {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| GetDataError("RequestContext").into())
    }
}
