//! Hostile and unlucky clients, over real sockets, with short limits.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use poem::{Body, Request, Response, Route, endpoint::make, get, post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::server::{edge::Edge, limits::Limits};

/// Long enough for a busy machine, which may let a test wait, and short enough for whoever waits for the tests.
const SHORT: Duration = Duration::from_millis(200);

fn limits() -> ConnectionLimits {
    ConnectionLimits {
        total: 4,
        per_peer: 4,
        head: SHORT,
        idle: Duration::from_millis(1200),
        answer: Duration::from_millis(600),
        drain: Duration::from_millis(2500),
    }
}

struct Server {
    addr: SocketAddr,
    metrics: Metrics,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<io::Result<()>>,
    served: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(limits()).await
    }

    async fn start_with(connection_limits: ConnectionLimits) -> Self {
        Self::start_as(connection_limits, |listener| listener).await
    }

    async fn start_as(connection_limits: ConnectionLimits, change: impl FnOnce(Listener) -> Listener) -> Self {
        let served = Arc::new(AtomicUsize::new(0));
        let count = served.clone();
        let hello = make(move |request: Request| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { request.method().to_string() }
        });
        let routes = Route::new()
            .at("/hello", get(hello))
            .at("/echo", post(make(|mut request: Request| async move { request.take_body().into_vec().await })))
            .at(
                "/slow",
                get(make(|_| async {
                    tokio::time::sleep(SHORT * 3).await;
                    "slow"
                })),
            )
            .at("/large", get(make(|_| async { Response::builder().body(Body::from_bytes(vec![b'a'; 32 << 20].into())) })));
        let metrics = Metrics::new();
        let limits = Limits { body_deadline: SHORT, ..Limits::default() };
        let app = Edge { limits, metrics: metrics.clone(), ..Edge::default() }.wrap(routes);
        let listener = Listener::bind("127.0.0.1:0").await.unwrap().limits(connection_limits).metrics(&metrics);
        let listener = change(listener);
        let addr = listener.local_addr();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(listener.serve(app, async {
            let _ = stopped.await;
        }));
        Self { addr, metrics, stop: Some(stop), running, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends bytes and returns all that comes back until the server closes.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(bytes.as_ref()).await;
        read_to_end(&mut stream).await
    }

    async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.running).await.unwrap().unwrap();
    }

    fn has_cut(&self, reason: &str) -> bool {
        self.metrics.to_text().contains(&format!("http_connections_cut_total{{reason=\"{reason}\"}}"))
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("the server closes").ok();
    String::from_utf8(answer).unwrap()
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let len = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

/// An error answer as any other: shaped, named, protected, and the last on its connection.
fn assert_refused(answer: &str, status: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    for header in ["x-request-id: ", "content-type: application/problem+json", "x-content-type-options: nosniff", "date: "] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST_HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn requests_follow_each_other_on_a_connection_in_pieces_or_all_at_once() {
    let server = Server::start().await;
    let answer = server.exchange([HELLO, HELLO, LAST_HELLO].concat()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");

    let mut stream = server.connect().await;
    for piece in LAST_HELLO.as_bytes().chunks(7) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_half_head_is_told_why() {
    let server = Server::start().await;
    assert_eq!(server.exchange("").await, "");
    assert!(server.has_cut("silent"));

    let answer = server.exchange("GET /hello HTTP/1.1\r\nHost: a\r\n").await;
    assert_refused(&answer, "408 Request Timeout");
    assert!(server.has_cut("slow_head"));
    assert_eq!(server.exchange("PRI * HTTP/2.0\r\n").await, "", "half of the HTTP/2 preface");
}

/// A.LD-03: slow heads.
#[tokio::test]
async fn a_head_that_trickles_gains_no_time() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let started = Instant::now();
    for byte in b"GET /hello HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        if started.elapsed() > SHORT * 4 {
            break;
        }
    }
    assert_refused(&read_to_end(&mut stream).await, "408");
}

#[tokio::test]
async fn a_second_head_that_hangs_is_cut_like_the_first() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
    stream.write_all(b"GET /hel").await.unwrap();
    let started = Instant::now();
    assert_refused(&read_to_end(&mut stream).await, "408");
    assert!(started.elapsed() < limits().idle, "the idle time does not count for a head that has begun");
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_while() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    read_some(&mut stream).await;
    tokio::time::sleep(SHORT * 2).await;
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(server.has_cut("idle"));
}

/// A.IF-06, A.LD-03: slow bodies.
#[tokio::test]
async fn a_slow_body_is_408_and_an_oversized_one_413_however_it_is_announced() {
    let server = Server::start().await;
    let half = server.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_refused(&half, "408");
    let announced = server.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n").await;
    assert_refused(&announced, "413");

    let mut chunked = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..200 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b'a'; 1024]);
        chunked.extend_from_slice(b"\r\n");
    }
    assert_refused(&server.exchange(chunked).await, "413");
}

/// A.CH-10, A.IF-10.
#[tokio::test]
async fn what_is_not_http_is_answered_in_our_words() {
    let server = Server::start().await;
    for nonsense in [
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
        "GET\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    ] {
        let answer = server.exchange(format!("{nonsense}{HELLO}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{nonsense:?}: {answer}");
        assert!(answer.contains("x-request-id: ") && answer.contains("application/problem+json"), "{nonsense:?}: {answer}");
    }
    let many = "X-A: b\r\n".repeat(200);
    assert_refused(&server.exchange(format!("GET /hello HTTP/1.1\r\n{many}\r\n")).await, "431");
    assert_refused(&server.exchange(format!("GET /hello HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(1 << 20))).await, "431");
    let long = server.exchange(format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "a".repeat(1 << 20))).await;
    assert!(long.starts_with("HTTP/1.1 414") || long.starts_with("HTTP/1.1 431"), "{long}");
}

/// A.CH-10.
#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_what_follows_it_is_never_answered() {
    let server = Server::start().await;
    for ambiguous in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "GET /hello HTTP/1.1\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n\n",
    ] {
        let answer = server.exchange(format!("{ambiguous}{HELLO}")).await;
        assert_refused(&answer, "400");
    }
    assert_eq!(server.served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_proxy_has_no_more_time_than_anybody_to_say_whose_connection_it_brings() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let server = Server::start_as(limits(), |listener| listener.trusting(proxies, ProxyProtocol::V2)).await;

    assert_eq!(server.exchange(b"").await, "");
    assert!(server.has_cut("silent"));
    assert_eq!(server.exchange(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0").await, "", "half a header");
    assert!(!server.has_cut("unannounced"));
    assert_eq!(server.exchange(HELLO).await, "");
    assert!(server.has_cut("unannounced"));
    assert_eq!(server.served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn http2_is_spoken_to_who_begins_with_it() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
}

/// A.LD-10.
#[tokio::test]
async fn the_crowd_has_a_limit_and_the_idle_make_room() {
    let server = Server::start_with(ConnectionLimits { head: Duration::from_secs(5), ..limits() }).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        busy.push(stream);
    }
    tokio::time::sleep(SHORT / 2).await;

    assert_refused(&server.exchange(HELLO).await, "503");
    assert!(server.has_cut("turned_away"));

    for stream in &mut busy {
        assert!(read_some(stream).await.starts_with("HTTP/1.1 200"));
    }
    assert!(server.exchange(LAST_HELLO).await.starts_with("HTTP/1.1 200"), "one of the four was idle by now");
    assert!(server.has_cut("evicted"));
}

/// A.LD-03: slow readers.
#[tokio::test]
async fn an_answer_that_nobody_reads_does_not_hold_a_place() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(limits().answer * 2).await;
    assert!(server.has_cut("slow_reader"));
}

/// A.FA-12.
#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_cuts_what_only_hangs() {
    let mut server = Server::start().await;
    let mut idle = server.connect().await;
    idle.write_all(HELLO.as_bytes()).await.unwrap();
    read_some(&mut idle).await;
    let mut half = server.connect().await;
    half.write_all(b"GET /hello HTTP/1.1\r\n").await.unwrap();
    let _silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT / 4).await;

    let started = Instant::now();
    server.stop().await;

    assert!(started.elapsed() < limits().drain, "nothing needed to be cut at the very end");
    let answer = read_to_end(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow"), "{answer}");
    assert!(answer.contains("connection: close"));
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_refused(&read_to_end(&mut half).await, "408");
    assert!(TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn a_request_that_is_on_its_way_at_shutdown_is_still_answered() {
    let mut server = Server::start_with(ConnectionLimits { head: Duration::from_secs(5), ..limits() }).await;
    let mut stream = server.connect().await;
    let late = tokio::spawn(async move {
        tokio::time::sleep(SHORT).await;
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    });
    tokio::time::sleep(SHORT / 4).await;
    server.stop().await;
    let answer = late.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn what_hangs_at_shutdown_is_cut_in_the_end() {
    let mut server = Server::start_with(ConnectionLimits { answer: Duration::from_mins(1), ..limits() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT).await;
    let started = Instant::now();
    server.stop().await;
    assert!(started.elapsed() >= limits().drain && started.elapsed() < limits().drain * 2);
}
