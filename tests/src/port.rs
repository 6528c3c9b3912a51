//! Ports for programs that have to be told theirs.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that systems hand out by themselves: nobody is given one of ours before it is used.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback address that is free, and that no other test of this run is told.
pub fn free_address() -> SocketAddr {
    // Runs beside this one begin elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("it is less than that");
    let addresses = (0..COUNT).map(|_| {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + offset))
    });
    let mut free = addresses.filter(|address| TcpListener::bind(address).is_ok());
    free.next().expect("a port is free")
}
