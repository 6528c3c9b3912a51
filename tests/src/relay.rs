//! A network in between: it spreads connections over several services, and can be cut or swallow everything.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// They are carried.
    Fair,
    /// Those that are open are closed, and new ones, too.
    Cut,
    /// Those that are open stay so and carry nothing any more, not even when the weather is fair again: the other end has
    /// forgotten them. New ones are accepted and carry nothing.
    Swallowing,
}

/// Carries connections to the first of its targets, in turn, that accepts them.
pub struct Relay {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl Relay {
    /// A relay to these ports of this machine.
    pub async fn to(ports: impl IntoIterator<Item = u16>) -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        Self::on(socket, ports)
    }

    /// The same behind a socket that is bound already.
    pub fn on(socket: TcpListener, ports: impl IntoIterator<Item = u16>) -> Self {
        let address = socket.local_addr().expect("it is bound");
        let (weather, seen) = watch::channel(Weather::Fair);
        let targets: Arc<[u16]> = ports.into_iter().collect();
        let turn = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(carry(stream, Arc::clone(&targets), Arc::clone(&turn), seen.clone()));
            }
        });
        Self { address, weather, task }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what becomes of connections, those that are open included.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut stream: TcpStream, targets: Arc<[u16]>, turn: Arc<AtomicUsize>, mut weather: watch::Receiver<Weather>) {
    if *weather.borrow_and_update() == Weather::Fair {
        let first = turn.fetch_add(1, Ordering::Relaxed);
        let mut target = None;
        for offset in 0..targets.len() {
            let port = targets[(first + offset) % targets.len()];
            if let Ok(connected) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                target = Some(connected);
                break;
            }
        }
        let Some(mut target) = target else { return };
        let _ = (stream.set_nodelay(true), target.set_nodelay(true));
        tokio::select! {
            _ = copy_bidirectional(&mut stream, &mut target) => return,
            Ok(_) = weather.wait_for(|weather| *weather != Weather::Fair) => {}
        }
        if *weather.borrow() == Weather::Swallowing {
            // The service behind has been told, so that it lets go of what it held for this connection; this side has not.
            drop(target);
        }
    }
    if *weather.borrow() == Weather::Swallowing {
        // Kept open for as long as there is a relay, since nobody tells this side anything.
        let _ = weather.wait_for(|weather| *weather == Weather::Cut).await;
    }
}
