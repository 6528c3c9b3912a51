//! Fetches small documents from the issuer's own origin, and sends forms there, on guard against everything that can go wrong there.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, HOST, HeaderMap, IF_NONE_MATCH},
    redirect::Policy,
};
use tracing::{Instrument, Span, field::Empty};
use url::{Host, Url, form_urlencoded};

use crate::trace_context::{self, TRACE, TRACEPARENT, TraceContext};

/// How long one fetch may take, from the first packet to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take to reach the issuer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Fetches from one issuer, and from nowhere else.
#[derive(Clone)]
pub(super) struct Fetcher {
    client: Client,
    issuer: Url,
    connect_to: Option<String>,
}

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// Where it is.
    pub(super) url: &'a Url,
    /// Its media type.
    pub(super) media_type: &'static str,
    /// The most bytes it may have.
    pub(super) limit: usize,
    /// The version we have.
    pub(super) etag: Option<&'a str>,
    /// Whether a cache between the issuer and us may answer.
    pub(super) cached: bool,
}

/// What came.
pub(super) enum Fetched {
    /// A document, and what its headers say.
    New {
        /// The document.
        body: Vec<u8>,
        /// Its version.
        etag: Option<String>,
        /// How long it may be kept.
        max_age: Option<Duration>,
    },
    /// The version we have is the current one.
    NotModified {
        /// How long it may be kept.
        max_age: Option<Duration>,
    },
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// A document elsewhere can say nothing about this issuer.
    #[error("{0} is not at the issuer's origin")]
    Foreign(Url),
    /// Following a redirect would let whoever answers choose where we read keys.
    #[error("{0} answered with a redirect, which is not followed")]
    Redirect(Url),
    /// The answer is not a success.
    #[error("{0} answered {1}")]
    Status(Url, StatusCode),
    /// The answer is longer than such a document may be.
    #[error("{0} sent more than {1} bytes")]
    TooLarge(Url, usize),
    /// The issuer cannot be reached, or is too slow.
    #[error("{0}: {1}")]
    Unreachable(Url, String),
}

impl Fetcher {
    /// A fetcher for this issuer. With `connect_to`, a `host:port`, that is where its connections go, while URLs, `Host`
    /// and the name TLS verifies stay the issuer's.
    pub(super) fn new(issuer: Url, connect_to: Option<String>) -> Result<Self, reqwest::Error> {
        let mut client = Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .referer(false)
            // Where to connect is a setting of ours, not of the environment.
            .no_proxy();
        if issuer.scheme() == "http" {
            // Nothing but this origin is ever fetched, so the system's certificates, which may be absent, are not needed.
            client = client.tls_certs_only([]);
        }
        if let Some(host_and_port) = &connect_to {
            client = client.dns_resolver(Arc::new(Elsewhere(host_and_port.clone())));
        }
        Ok(Self { client: client.build()?, issuer, connect_to })
    }

    /// Fetches a document of the issuer's origin.
    pub(super) async fn fetch(&self, wanted: Wanted<'_>) -> Result<Fetched, FetchError> {
        let url = wanted.url;
        if url.origin() != self.issuer.origin() {
            return Err(FetchError::Foreign(url.clone()));
        }
        let unreachable = |error: reqwest::Error| FetchError::Unreachable(url.clone(), reason(&error));
        let mut request = self.client.get(self.route(url)).header(ACCEPT, wanted.media_type).header(HOST, authority(url));
        if let Some(etag) = wanted.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if !wanted.cached {
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        let answer = send("GET", url, request).await.map_err(unreachable)?;
        let max_age = max_age(answer.headers());
        match answer.status() {
            StatusCode::NOT_MODIFIED if wanted.etag.is_some() => Ok(Fetched::NotModified { max_age }),
            status if status.is_redirection() => Err(FetchError::Redirect(url.clone())),
            StatusCode::OK => {
                let etag = answer.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
                let body = read(answer, wanted.limit).await.map_err(unreachable)?;
                let body = body.ok_or_else(|| FetchError::TooLarge(url.clone(), wanted.limit))?;
                Ok(Fetched::New { body, etag, max_age })
            }
            status => Err(FetchError::Status(url.clone(), status)),
        }
    }

    /// Sends a form to an endpoint of the issuer's origin, and reads the answer, whatever its status.
    pub(super) async fn post(&self, url: &Url, form: &[(&str, &str)], limit: usize) -> Result<(StatusCode, Vec<u8>), FetchError> {
        if url.origin() != self.issuer.origin() {
            return Err(FetchError::Foreign(url.clone()));
        }
        let unreachable = |error: reqwest::Error| FetchError::Unreachable(url.clone(), reason(&error));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.client.post(self.route(url)).header(HOST, authority(url)).header(ACCEPT, "application/json");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let answer = send("POST", url, request).await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_redirection() {
            return Err(FetchError::Redirect(url.clone()));
        }
        let body = read(answer, limit).await.map_err(unreachable)?;
        Ok((status, body.ok_or_else(|| FetchError::TooLarge(url.clone(), limit))?))
    }

    /// What the clock behind this URL says (RFC 9110 §6.6.1).
    pub(super) async fn date(&self, url: &Url) -> Option<String> {
        let answer = self.client.get(self.route(url)).header(HOST, authority(url)).send().await.ok()?;
        answer.headers().get(DATE)?.to_str().ok().map(str::to_owned)
    }

    /// The URL by which the HTTP client gets where it should connect to.
    fn route(&self, url: &Url) -> Url {
        let mut route = url.clone();
        let Some(host_and_port) = &self.connect_to else { return route };
        // An explicit port would overrule the one that `Elsewhere` resolves to.
        let _ = route.set_port(None);
        // A literal address is never resolved, and a name is only needed where TLS verifies it.
        let is_resolved = url.scheme() == "https" && matches!(url.host(), Some(Host::Domain(_)));
        if !is_resolved && let Some((host, port)) = host_and_port.rsplit_once(':') {
            let _ = route.set_host(Some(host));
            let _ = route.set_port(port.parse().ok());
        }
        route
    }
}

/// Sends a request as part of the trace that it is made in. Its URL names a document of the issuer's, and nobody.
async fn send(method: &'static str, url: &Url, request: RequestBuilder) -> Result<Response, reqwest::Error> {
    let span = trace_context::step(|| {
        tracing::info_span!(
            target: TRACE,
            "fetch",
            otel.name = method,
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = method,
            http.response.status_code = Empty,
            server.address = url.host_str(),
            server.port = url.port_or_known_default().map(i64::from),
            url.full = url.as_str(),
        )
    });
    let request = match TraceContext::of(&span) {
        Some(context) => request.header(TRACEPARENT, context.to_header()),
        None => request,
    };
    let answered = request.send().instrument(span.clone()).await;
    note(&span, answered.as_ref().ok().map(Response::status));
    answered
}

/// To a client, also an answer of 4xx is an error.
fn note(span: &Span, status: Option<StatusCode>) {
    if let Some(status) = status {
        span.record("http.response.status_code", i64::from(status.as_u16()));
    }
    if status.is_none_or(|status| status.is_client_error() || status.is_server_error()) {
        span.record("otel.status_code", "ERROR");
    }
}

/// Resolves every name to the one place we were told to connect to.
struct Elsewhere(String);

impl Resolve for Elsewhere {
    fn resolve(&self, _: Name) -> Resolving {
        let host_and_port = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host(host_and_port).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether this is a `host:port` to connect to.
pub(super) fn check_connect_to(text: &str) -> Result<(), io::Error> {
    let valid = text.rsplit_once(':').is_some_and(|(host, port)| Host::parse(host).is_ok() && port.parse::<u16>().is_ok());
    if valid { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not `host:port`")) }
}

/// Reads a body as long as it stays within the limit.
async fn read(mut answer: Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// RFC 9110 §7.2: what `Host` says.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// RFC 9111 §5.2.2.1; an answer that must not be kept at all counts as one that is old at once.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    directives.flat_map(|value| value.split(',')).find_map(|directive| {
        let directive = directive.trim().to_ascii_lowercase();
        match directive.as_str() {
            "no-store" | "no-cache" => Some(Duration::ZERO),
            _ => directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok().map(Duration::from_secs),
        }
    })
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no complete answer within {} seconds", TIMEOUT.as_secs());
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
