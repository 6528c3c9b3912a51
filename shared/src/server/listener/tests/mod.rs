//! Hostile and unlucky clients, over real sockets, with short limits.

mod shutdown;
mod slow;
mod speech;

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
