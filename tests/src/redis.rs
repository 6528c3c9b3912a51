//! The Redis or Valkey server that `TEST_REDIS_URL` names, and ways for it to be away.

use std::{env, net::Ipv4Addr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

use crate::untested;

/// The environment variable that names a server in which anything may be written.
const SERVER: &str = "TEST_REDIS_URL";

/// A way to the server that a test can close.
pub struct TestRedis {
    url: Url,
    way: watch::Sender<Way>,
    relay: JoinHandle<()>,
}

/// How it is to reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections break, and there is no new one.
    Closed,
    /// Connections stay, and nothing passes.
    Stuck,
}

impl TestRedis {
    /// A way to the server; none where `TEST_REDIS_URL` is not set. Then the test has nothing to say, and says that.
    pub async fn reach() -> Option<Self> {
        let Ok(server) = env::var(SERVER) else {
            untested("what replicas share through Redis", &format!("{SERVER} is not set"));
            return None;
        };
        let mut url = Url::parse(&server).expect("TEST_REDIS_URL is a URL");
        let upstream = format!("{}:{}", url.host_str().expect("it has a host"), url.port().unwrap_or(6379));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let here = listener.local_addr().expect("it is bound");
        url.set_ip_host(here.ip()).expect("it takes a host");
        url.set_port(Some(here.port())).expect("it takes a port");
        let (way, state) = watch::channel(Way::Open);
        Some(Self { url, way, relay: tokio::spawn(relay(listener, upstream, state)) })
    }

    /// Where services reach it.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Lets it die.
    pub fn close(&self) {
        self.way.send_replace(Way::Closed);
    }

    /// Lets it hang.
    pub fn hang(&self) {
        self.way.send_replace(Way::Stuck);
    }

    /// Brings it back, with all that it held.
    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(listener: TcpListener, upstream: String, way: watch::Receiver<Way>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(carry(stream, upstream.clone(), way.clone()));
    }
}

/// Carries bytes while the way is open. What is dropped at the end is a connection that breaks.
async fn carry(mut stream: TcpStream, upstream: String, mut way: watch::Receiver<Way>) {
    if way.wait_for(|way| *way != Way::Stuck).await.is_ok_and(|way| *way == Way::Closed) {
        return;
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let mut until = way.clone();
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut server) => return,
        _ = until.wait_for(|way| *way != Way::Open) => {}
    }
    let _ = way.wait_for(|way| *way != Way::Stuck).await;
}
