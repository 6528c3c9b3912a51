//! Accepting connections, and cutting those that only hang.
//!
//! The framework's own server waits for ever for a request head, lets any number of connections in, spins when there are
//! no more file descriptors, and leaves HTTP/2 streams unbounded. So the service is run on hyper directly:
//! `connection` serves one connection, `pulse` knows what it is doing and until when it may, the `supervisor` sees to
//! that, `wire` watches its bytes, `head` distrusts what they spell, `proxy_header` is what a proxy may say first, `crowd`
//! counts connections and `backoff` survives a failing `accept`.

mod backoff;
mod connection;
mod crowd;
pub(super) mod head;
mod proxy_header;
mod pulse;
mod supervisor;
#[cfg(test)]
mod tests;
mod tracked;
mod unserved;
mod wire;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt;
use ipnet::IpNet;
use poem::{EndpointExt, IntoEndpoint, endpoint::ToDynEndpoint};
use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

pub use self::proxy_header::ProxyProtocol;
pub(super) use self::unserved::Unserved;
use self::{
    backoff::Backoff,
    connection::{App, Serving},
    crowd::Crowd,
};
use super::{metrics::Metrics, tls::Tls};

/// How many connections there may be, and how long each may take over what.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at one time; the longest idle one makes room for a new one.
    pub total: usize,
    /// Connections at one time from one address (IPv6: from one /64) that is neither loopback nor trusted.
    pub per_peer: usize,
    /// From the first byte of a request, or from the start of a connection, to the end of the request's head.
    pub head: Duration,
    /// Between an answer and the next request.
    pub idle: Duration,
    /// From the end of an answer's making to its last byte being taken by the client.
    pub answer: Duration,
    /// At shutdown, how long requests in flight may take.
    pub drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 2000,
            per_peer: 50,
            head: Duration::from_secs(5),
            idle: Duration::from_mins(1),
            answer: Duration::from_secs(30),
            drain: Duration::from_secs(25),
        }
    }
}

/// A bound socket, ready to serve an application.
pub struct Listener {
    socket: TcpListener,
    local_addr: SocketAddr,
    limits: ConnectionLimits,
    trusted: Vec<IpNet>,
    proxy_protocol: ProxyProtocol,
    metrics: Metrics,
    tls: Option<Tls>,
}

impl Listener {
    /// Binds to an address; port 0 lets the system choose one.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let socket = TcpListener::bind(addr).await?;
        let local_addr = socket.local_addr()?;
        Ok(Self {
            socket,
            local_addr,
            limits: ConnectionLimits::default(),
            trusted: Vec::new(),
            proxy_protocol: ProxyProtocol::Off,
            metrics: Metrics::new(),
            tls: None,
        })
    }

    /// The address it is bound to, with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Uses other limits.
    #[must_use]
    pub fn limits(self, limits: ConnectionLimits) -> Self {
        Self { limits, ..self }
    }

    /// Exempts these peers from the limit per peer: proxies, which bring everybody's connections, and may have to say whose.
    #[must_use]
    pub fn trusting(self, proxies: Vec<IpNet>, proxy_protocol: ProxyProtocol) -> Self {
        Self { trusted: proxies, proxy_protocol, ..self }
    }

    /// Counts connections in these metrics.
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), ..self }
    }

    /// Speaks TLS, and nothing else, if there is a certificate.
    #[must_use]
    pub fn tls(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// Serves `app` until `shutdown` resolves, then finishes what is in flight and returns.
    ///
    /// What does not finish within the drain limit is cut.
    pub async fn serve<E>(self, app: E, shutdown: impl Future<Output = ()>) -> io::Result<()>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        let app: App = Arc::new(ToDynEndpoint(app.into_endpoint().map_to_response()));
        let (stop, stopping) = watch::channel(false);
        let announcing: Arc<[IpNet]> = match self.proxy_protocol {
            ProxyProtocol::Off => Arc::default(),
            ProxyProtocol::V2 => self.trusted.clone().into(),
        };
        let crowd = Crowd::new(self.limits, self.trusted, self.metrics.connections.clone());
        let mut hall = Hall {
            serving: Serving { app, local_addr: self.local_addr, stopping, tls: self.tls, announcing },
            crowd,
            connections: JoinSet::new(),
        };
        let mut backoff = Backoff::default();
        let mut not_before = Instant::now();
        tokio::pin!(shutdown);
        loop {
            let accept = async {
                tokio::time::sleep_until(not_before).await;
                self.socket.accept().await
            };
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = hall.connections.join_next() => report(ended),
                accepted = accept => match accepted {
                    Ok((stream, peer)) => {
                        backoff.succeeded();
                        hall.admit(stream, peer);
                    }
                    Err(error) => if let Some(pause) = backoff.failed(&error, Instant::now()) {
                        // An idle connection gives back what a busy client waits for.
                        hall.crowd.evict_idle();
                        not_before = Instant::now() + pause;
                    }
                },
            }
        }
        // Clients whose connection the kernel has completed already would see it reset.
        while let Some(Ok((stream, peer))) = self.socket.accept().now_or_never() {
            hall.admit(stream, peer);
        }
        drop(self.socket);
        // Nobody listening means that no connection is left to tell.
        let _ = stop.send(true);
        hall.empty(self.limits.drain).await;
        Ok(())
    }
}

/// The connections of one listener, and what it takes to serve another.
struct Hall {
    serving: Serving,
    crowd: Crowd,
    connections: JoinSet<()>,
}

impl Hall {
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Answers are written whole, so there is nothing for Nagle's algorithm to gather; a failure costs only latency.
        let _ = stream.set_nodelay(true);
        let serving = self.serving.clone();
        match self.crowd.admit(peer.ip()) {
            Ok(seat) => self.connections.spawn(connection::serve(serving, stream, peer, seat)),
            Err(Some(standing)) => self.connections.spawn(connection::turn_away(serving, stream, peer, standing)),
            Err(None) => return,
        };
    }

    async fn empty(&mut self, drain: Duration) {
        let all = async {
            while let Some(ended) = self.connections.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(drain, all).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "Cut connections that did not finish in time");
            self.connections.shutdown().await;
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "A connection's task panicked");
    }
}
