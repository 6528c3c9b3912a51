//! How much of a request is accepted, and for how long.
//!
//! The framework reads bodies without limit and waits for ever. Here a body is read once, up to its cap and against a
//! deadline, before any handler runs; handlers get it from memory. The cap counts what arrives, so that it needs no
//! `Content-Length` and cannot be lied to.

use std::{io, time::Duration};

use futures_util::StreamExt;
use poem::{
    Body, Request,
    http::{HeaderMap, Method, StatusCode, Version, header},
};

use super::{
    content,
    problem::{Problem, Reason},
};

/// The limits of a service.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest path and query, in bytes: 414.
    pub uri: usize,
    /// All header names and values together, in bytes: 431.
    pub headers: usize,
    /// The longest `Authorization` value, in bytes: 431.
    pub authorization: usize,
    /// The largest body, in bytes: 413.
    pub body: usize,
    /// Other caps for bodies, by the beginning of the path; the first that fits counts.
    pub body_under: Vec<(&'static str, usize)>,
    /// How long a body may take to arrive: 408.
    pub body_deadline: Duration,
    /// How long a handler may take to answer: 503.
    pub handler_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            uri: 4 * 1024,
            headers: 16 * 1024,
            authorization: 8 * 1024,
            body: 64 * 1024,
            body_under: vec![("/oauth2/", 16 * 1024)],
            body_deadline: Duration::from_secs(10),
            handler_deadline: Duration::from_secs(10),
        }
    }
}

/// On an answer: the request's body was not read to its end, so nothing that follows on the connection can be trusted.
#[derive(Clone, Copy)]
pub(super) struct Unread;

impl Limits {
    /// Lets a request pass whose every part is within the limits; its body is in memory afterwards.
    pub(super) async fn admit(&self, mut request: Request) -> poem::Result<Request> {
        let body = request.take_body();
        let has_body = !body.is_empty();
        match self.read(&request, body).await {
            Ok(body) => {
                request.set_body(body);
                Ok(request)
            }
            Err(mut refusal) => {
                if has_body {
                    refusal.set_data(Unread);
                }
                Err(refusal)
            }
        }
    }

    /// Checks a request, the cheap things first, and reads its body.
    async fn read(&self, request: &Request, body: Body) -> poem::Result<Vec<u8>> {
        check_method(request.method())?;
        check_host(request)?;
        self.check_sizes(request)?;
        content::inspect_uri(request.uri()).map_err(|objection| problem(StatusCode::BAD_REQUEST, objection))?;
        if request.headers().contains_key(header::CONTENT_ENCODING) {
            // A small body could become a large one (RFC 9110 §8.4 lets us refuse).
            return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "A compressed request body is not accepted."));
        }
        if body.is_empty() {
            return Ok(Vec::new());
        }
        // In a box: most requests have no body, and should not carry the room for one.
        let body = Box::pin(self.read_body(body, request.headers(), request.uri().path())).await?;
        let media_type = request.content_type().unwrap_or_default();
        content::inspect(media_type, &body).map_err(|objection| problem(StatusCode::BAD_REQUEST, objection))?;
        Ok(body)
    }

    fn check_sizes(&self, request: &Request) -> poem::Result<()> {
        let uri = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if uri > self.uri {
            return Err(problem(StatusCode::URI_TOO_LONG, "The path and query are too long."));
        }
        let headers = request.headers();
        let authorization = headers.get(header::AUTHORIZATION).map_or(0, header::HeaderValue::len);
        // Four bytes for the colon, the space and the line end, as they were sent.
        let total: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if total > self.headers || authorization > self.authorization {
            return Err(problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request headers are too large."));
        }
        Ok(())
    }

    async fn read_body(&self, body: Body, headers: &HeaderMap, path: &str) -> poem::Result<Vec<u8>> {
        let cap = self.body_under.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or(self.body, |(_, cap)| *cap);
        // What announces itself as too large is refused before it is sent (RFC 9110 §10.1.1, Expect).
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > cap) {
            return Err(too_large());
        }
        let reading = read_within(body, cap, announced.unwrap_or_default());
        match tokio::time::timeout(self.body_deadline, reading).await {
            Ok(read) => read,
            Err(_) => Err(problem(StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time.")),
        }
    }
}

async fn read_within(body: Body, cap: usize, announced: usize) -> poem::Result<Vec<u8>> {
    let mut stream = Box::pin(body.into_bytes_stream());
    let mut read = Vec::with_capacity(announced);
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| incomplete(&error))?;
        if piece.len() > cap - read.len() {
            return Err(too_large());
        }
        read.extend_from_slice(&piece);
    }
    Ok(read)
}

/// Methods that no resource of ours has are not looked up: an unknown one is 501, the rest 405 (RFC 9110 §15.6.2, §15.5.6).
fn check_method(method: &Method) -> poem::Result<()> {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => Ok(()),
        Method::TRACE | Method::CONNECT => {
            Err(problem(StatusCode::METHOD_NOT_ALLOWED, "This method cannot be used here; see Allow."))
        }
        _ => Err(problem(StatusCode::NOT_IMPLEMENTED, "This method is not known here.")),
    }
}

/// An HTTP/1.1 request has exactly one `Host` (RFC 9112 §3.2).
fn check_host(request: &Request) -> poem::Result<()> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11 && !is_from_a_test(request)) {
        return Err(problem(StatusCode::BAD_REQUEST, "The request needs exactly one Host."));
    }
    Ok(())
}

/// A request that came over no connection, as `poem::test` makes them, which names no host.
fn is_from_a_test(request: &Request) -> bool {
    request.remote_addr().as_socket_addr().is_none()
}

fn too_large() -> poem::Error {
    problem(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large.")
}

/// The body broke off or was malformed. Usually nobody is left to read the answer.
fn incomplete(error: &io::Error) -> poem::Error {
    let mut refusal = problem(StatusCode::BAD_REQUEST, "The request body is incomplete.");
    refusal.set_data(Reason::of(error));
    refusal
}

fn problem(status: StatusCode, detail: &str) -> poem::Error {
    Problem::new(status).detail(detail).into()
}
