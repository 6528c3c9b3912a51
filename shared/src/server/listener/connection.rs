//! Serving one connection.

use std::{
    cell::Cell,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{
    body::{Body, Bytes, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ipnet::IpNet;
use poem::{
    Addr, Endpoint, Request, RequestParts, Response,
    endpoint::DynEndpoint,
    http::{self, HeaderValue, header, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use super::{
    Unserved,
    crowd::{Seat, Standing},
    proxy_header::{self, Announced},
    pulse::{Cut, Pulse},
    supervisor::Supervisor,
    tracked::{Ending, Tracked},
    wire::Wire,
};
use crate::server::{client_ip::is_trusted, limits::Unread, tls::Tls};

/// The application, with its type forgotten.
pub(super) type App = Arc<dyn DynEndpoint<Output = Response>>;

/// How HTTP/2 begins, over a connection that was not told to speak it (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest head hyper gathers. The edge refuses much less than that, but in its own words.
const MAX_HEAD: usize = 64 * 1024;
/// Streams of one HTTP/2 connection at one time, and what each may have under way in bytes.
const HTTP2_STREAMS: u32 = 128;
const HTTP2_WINDOW: u32 = 64 * 1024;
/// After the last answer, this long and this much is read and thrown away, so that a client that is still sending gets to
/// read it: closing at once would reset the connection.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 1024 * 1024;
/// How long a client may take to be told that it is refused, on a machine that may be busy.
const REFUSING: Duration = Duration::from_secs(10);

/// What it takes to serve a connection.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) app: App,
    pub(super) local_addr: SocketAddr,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) tls: Option<Tls>,
    /// Proxies that begin each connection by saying whose it is.
    pub(super) announcing: Arc<[IpNet]>,
}

/// Serves a connection to its end.
pub(super) async fn serve(serving: Serving, mut stream: TcpStream, peer: SocketAddr, seat: Seat) {
    let (peer, scheme) = if is_trusted(peer.ip().to_canonical(), &serving.announcing) {
        match announced(&serving, &mut stream, peer, &seat).await {
            Some(known) => known,
            None => return,
        }
    } else {
        (peer, Scheme::HTTP)
    };
    let Some(tls) = serving.tls.clone() else { return converse(serving, stream, peer, seat, scheme).await };
    // The handshake counts toward the time in which a connection has to say something.
    let supervisor = Supervisor { seat: &seat, stopping: serving.stopping.clone() };
    let shaken = supervisor.watch(pin!(tls.accept(stream)), |_| {}).await;
    if let Ok(Ok(stream)) = shaken {
        converse(serving, stream, peer, seat, Scheme::HTTPS).await;
    }
}

/// Whose connection a proxy brings, and how it came there; nothing if it must be closed. There is no answer to whoever does
/// not say: it is not known to speak HTTP.
async fn announced(serving: &Serving, stream: &mut TcpStream, proxy: SocketAddr, seat: &Seat) -> Option<(SocketAddr, Scheme)> {
    let supervisor = Supervisor { seat, stopping: serving.stopping.clone() };
    match supervisor.watch(pin!(proxy_header::read(stream)), |_| {}).await.ok()? {
        Ok(Announced::Own) => Some((proxy, Scheme::HTTP)),
        Ok(Announced::For { client, over_tls }) => {
            let scheme = if over_tls { Scheme::HTTPS } else { Scheme::HTTP };
            seat.is_taken_by(client.ip()).then_some((client, scheme))
        }
        Err(reason) => {
            seat.count_cut("unannounced");
            tracing::info!(%proxy, %reason, "Closed a connection of a proxy that did not say whose it is");
            None
        }
    }
}

/// Serves HTTP on a stream, encrypted or not.
async fn converse<S>(serving: Serving, mut stream: S, peer: SocketAddr, seat: Seat, scheme: Scheme)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let supervisor = Supervisor { seat: &seat, stopping: serving.stopping.clone() };
    let caller = Caller { app: serving.app, local_addr: serving.local_addr, peer, scheme };
    let begun = supervisor.watch(pin!(sniff(&mut stream, &seat.pulse)), |_| {}).await;
    match begun {
        Ok(Ok((Protocol::Http1, read))) => caller.http1(Wire::new(stream, read, seat.pulse.clone()), supervisor).await,
        Ok(Ok((Protocol::Http2, read))) => {
            seat.pulse.is_http2();
            caller.http2(Wire::new(stream, read, seat.pulse.clone()), supervisor).await;
        }
        // Closed, broken or cut before it said enough.
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Tells a client that there is no room, and closes its connection.
pub(super) async fn turn_away(serving: Serving, stream: TcpStream, peer: SocketAddr, _standing: Standing) {
    if serving.tls.is_some() {
        // An answer would take a handshake, which is what there is no room for.
        return;
    }
    let caller = Caller { app: serving.app, local_addr: serving.local_addr, peer, scheme: Scheme::HTTP };
    let _ = timeout(REFUSING, caller.refuse(stream, Unserved::TooMany)).await;
}

enum Protocol {
    Http1,
    Http2,
}

/// Reads as much as it takes to tell the protocols apart: usually one read.
async fn sniff<S: AsyncRead + Unpin>(stream: &mut S, pulse: &Pulse) -> io::Result<(Protocol, Vec<u8>)> {
    let mut read = Vec::with_capacity(4 * 1024);
    loop {
        let before = read.len();
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        pulse.received(&read[before..]);
        if read.starts_with(PREFACE) {
            return Ok((Protocol::Http2, read));
        }
        if !PREFACE.starts_with(&read) {
            return Ok((Protocol::Http1, read));
        }
    }
}

/// Who calls the application.
struct Caller {
    app: App,
    local_addr: SocketAddr,
    peer: SocketAddr,
    scheme: Scheme,
}

impl Caller {
    async fn http1<S>(&self, wire: Wire<S>, supervisor: Supervisor<'_>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let pulse = &supervisor.seat.pulse;
        let service = service_fn(|request| self.call(request, pulse.clone(), &supervisor.stopping));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // The pulse has a deadline for the head, which hyper's would also apply to an idle connection.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(wire), service);
        let ended = supervisor.watch(Pin::new(&mut connection), http1::Connection::graceful_shutdown).await;
        let (stream, refused) = connection.into_parts().io.into_inner().into_parts();
        let unserved = match (ended, refused) {
            (Err(Cut::SlowHead), _) => Unserved::TooSlow,
            (_, Some(status)) => Unserved::Malformed(status),
            (Ok(Ok(())), None) => return linger(stream).await,
            // The client broke the connection off, which is its right, or it was cut.
            (Ok(Err(_)) | Err(_), None) => return,
        };
        // The time to read an answer is the client's, but not without end.
        let _ = timeout(REFUSING, self.refuse(stream, unserved)).await;
    }

    async fn http2<S>(&self, wire: Wire<S>, supervisor: Supervisor<'_>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = {
            let scheme = self.scheme.clone();
            let caller = Self { app: self.app.clone(), local_addr: self.local_addr, peer: self.peer, scheme };
            let (caller, pulse, stopping) = (Arc::new(caller), supervisor.seat.pulse.clone(), supervisor.stopping.clone());
            service_fn(move |request| {
                let (caller, pulse, stopping) = (caller.clone(), pulse.clone(), stopping.clone());
                async move { caller.call(request, pulse, &stopping).await }
            })
        };
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS)
            .initial_stream_window_size(HTTP2_WINDOW)
            .initial_connection_window_size(HTTP2_WINDOW * 4)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .max_send_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(wire), service);
        // However it ends, there is nothing left to do.
        let _ = supervisor.watch(pin!(connection), http2::Connection::graceful_shutdown).await;
    }

    /// Calls the application with a request that came in.
    async fn call(
        &self,
        mut request: http::Request<Incoming>,
        pulse: Arc<Pulse>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<http::Response<Tracked<impl Body<Data = Bytes, Error = io::Error> + use<>>>, Infallible> {
        let is_http1 = request.version() < http::Version::HTTP_2;
        let is_ambiguous = pulse.begin();
        // Ended when it is dropped, wherever that happens.
        let ending = Ending(pulse);
        if is_ambiguous {
            request.extensions_mut().insert(Unserved::Ambiguous);
        }
        let (local, remote) = self.addresses();
        let mut response = self.app.get_response((request, local, remote, self.scheme.clone()).into()).await;
        // What may still come of an unread body is not the next request.
        let is_unread = response.data::<Unread>().is_some();
        if is_http1 && (is_ambiguous || is_unread || *stopping.borrow()) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let response: http::Response<_> = response.into();
        Ok(response.map(|body| Tracked::new(body, ending)))
    }

    /// Has the application answer what is no request, writes that, and closes the connection.
    async fn refuse<S>(&self, mut stream: S, unserved: Unserved)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.extensions.insert(unserved);
        let (local, remote) = self.addresses();
        let parts = RequestParts::from((parts, local, remote, self.scheme.clone()));
        let mut response = self.app.get_response(Request::from_parts(parts, poem::Body::empty())).await;
        // An application without an edge takes it for a request.
        response.set_status(unserved.status());
        // hyper writes it as the answer to a request that it reads from here.
        let stand_in: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
        let response: http::Response<_> = response.into();
        let response = Cell::new(Some(response));
        let service = service_fn(move |_| {
            let response = response.take().expect("one request, one answer");
            async move { Ok::<_, Infallible>(response) }
        });
        let io = TokioIo::new(tokio::io::join(stand_in, &mut stream));
        let written = http1::Builder::new().half_close(true).serve_connection(io, service).await;
        if written.is_ok() {
            linger(stream).await;
        }
    }

    fn addresses(&self) -> (LocalAddr, RemoteAddr) {
        (LocalAddr(Addr::SocketAddr(self.local_addr)), RemoteAddr(Addr::SocketAddr(self.peer)))
    }
}

/// Closes our side and waits a little for the other.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let closing = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Whatever happens now, the connection is over.
    let _ = timeout(LINGER, closing).await;
}
