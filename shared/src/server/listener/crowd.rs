//! How many connections there are, and from whom.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;

use super::{ConnectionLimits, pulse::Pulse};
use crate::server::{client_ip::network_of, metrics::Connections};

/// Of those turned away, so many at one time are told so; the rest are just closed.
const STANDING: usize = 64;

/// Everyone connected. A clone is the same crowd.
#[derive(Clone)]
pub(super) struct Crowd(Arc<Inner>);

struct Inner {
    limits: ConnectionLimits,
    exempt: Vec<IpNet>,
    metrics: Connections,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    seated: HashMap<u64, (IpAddr, Arc<Pulse>)>,
    per_peer: HashMap<IpAddr, usize>,
    standing: usize,
    next: u64,
}

/// The place of one connection; dropping it leaves the crowd.
pub(super) struct Seat {
    crowd: Crowd,
    number: u64,
    pub(super) pulse: Arc<Pulse>,
}

/// The place of one connection that is being turned away.
pub(super) struct Standing(Crowd);

impl Crowd {
    pub(super) fn new(limits: ConnectionLimits, exempt: Vec<IpNet>, metrics: Connections) -> Self {
        Self(Arc::new(Inner { limits, exempt, metrics, members: Mutex::default() }))
    }

    /// Gives a new connection a seat. When there is none, the longest idle connection makes room; when none is idle, the
    /// new one is turned away, with an answer if not too many are waiting for theirs.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<Seat, Option<Standing>> {
        let peer = network_of(peer);
        let mut members = self.members();
        let from_peer = members.per_peer.get(&peer).copied().unwrap_or_default();
        let limits = &self.0.limits;
        let peer_has_room = from_peer < limits.per_peer || self.is_exempt(peer) || members.evict(Some(peer));
        if !(peer_has_room && (members.seated.len() < limits.total || members.evict(None))) {
            self.0.metrics.count_cut("turned_away");
            if members.standing == STANDING {
                return Err(None);
            }
            members.standing += 1;
            return Err(Some(Standing(self.clone())));
        }
        let number = members.next;
        members.next += 1;
        let pulse = Arc::new(Pulse::new(*limits));
        members.seated.insert(number, (peer, pulse.clone()));
        *members.per_peer.entry(peer).or_default() += 1;
        self.0.metrics.open.inc();
        Ok(Seat { crowd: self.clone(), number, pulse })
    }

    /// Asks the longest idle connection to close.
    pub(super) fn evict_idle(&self) {
        self.members().evict(None);
    }

    fn is_exempt(&self, peer: IpAddr) -> bool {
        peer.is_loopback() || self.0.exempt.iter().any(|network| network.contains(&peer))
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    /// Removes the longest idle connection, of this peer or of all, and asks it to close.
    fn evict(&mut self, of: Option<IpAddr>) -> bool {
        let candidates = self.seated.iter().filter(|(_, (peer, _))| of.is_none_or(|of| of == *peer));
        let idle = candidates.filter_map(|(number, (_, pulse))| pulse.idle_since().map(|since| (since, *number)));
        let Some((_, number)) = idle.min() else { return false };
        if let Some(pulse) = self.remove(number) {
            pulse.evict();
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Pulse>> {
        let (peer, pulse) = self.seated.remove(&number)?;
        self.count_down(peer);
        Some(pulse)
    }

    fn hand_over(&mut self, number: u64, to: IpAddr) {
        // It may have been evicted in the meantime.
        let Some((peer, _)) = self.seated.get_mut(&number) else { return };
        let from = std::mem::replace(peer, to);
        self.count_down(from);
        *self.per_peer.entry(to).or_default() += 1;
    }

    fn count_down(&mut self, peer: IpAddr) {
        if let Some(count) = self.per_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&peer);
            }
        }
    }
}

impl Seat {
    /// Counts the connection as this peer's instead, for whom a proxy has brought it; returns whether the peer may have
    /// another one.
    pub(super) fn is_taken_by(&self, peer: IpAddr) -> bool {
        let peer = network_of(peer);
        let mut members = self.crowd.members();
        let from_peer = members.per_peer.get(&peer).copied().unwrap_or_default();
        if from_peer >= self.crowd.0.limits.per_peer && !self.crowd.is_exempt(peer) && !members.evict(Some(peer)) {
            drop(members);
            self.count_cut("turned_away");
            return false;
        }
        members.hand_over(self.number, peer);
        true
    }

    /// Counts why the connection was closed before its time.
    pub(super) fn count_cut(&self, reason: &'static str) {
        self.crowd.0.metrics.count_cut(reason);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.members().remove(self.number);
        self.crowd.0.metrics.open.dec();
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.members().standing -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(total: usize, per_peer: usize) -> Crowd {
        let limits = ConnectionLimits { total, per_peer, ..ConnectionLimits::default() };
        Crowd::new(limits, vec!["10.0.0.0/8".parse().unwrap()], Connections::default())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn busy(crowd: &Crowd, peer: &str) -> Seat {
        let seat = crowd.admit(ip(peer)).ok().unwrap();
        seat.pulse.received(b"GET");
        seat.pulse.begin();
        seat
    }

    #[tokio::test]
    async fn when_all_are_busy_a_newcomer_is_turned_away() {
        let crowd = crowd(2, 9);
        let _first = busy(&crowd, "192.0.2.1");
        let second = busy(&crowd, "192.0.2.2");
        assert!(crowd.admit(ip("192.0.2.3")).is_err());
        drop(second);
        assert!(crowd.admit(ip("192.0.2.3")).is_ok());
    }

    #[tokio::test]
    async fn the_longest_idle_makes_room() {
        let crowd = crowd(2, 9);
        let oldest = crowd.admit(ip("192.0.2.1")).ok().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let younger = crowd.admit(ip("192.0.2.2")).ok().unwrap();

        let _new = crowd.admit(ip("192.0.2.3")).ok().unwrap();

        let now = tokio::time::Instant::now();
        assert!(oldest.pulse.check(now).is_err());
        assert!(younger.pulse.check(now).is_ok());
    }

    #[tokio::test]
    async fn one_peer_has_its_share_and_a_proxy_has_everybodys() {
        let crowd = crowd(100, 2);
        let _seats = [busy(&crowd, "192.0.2.1"), busy(&crowd, "192.0.2.1")];
        assert!(crowd.admit(ip("192.0.2.1")).is_err());
        assert!(crowd.admit(ip("192.0.2.2")).is_ok());

        let _six = [busy(&crowd, "2001:db8::1"), busy(&crowd, "2001:db8::2")];
        assert!(crowd.admit(ip("2001:db8::3")).is_err(), "one /64 is one peer");

        let _proxied = [busy(&crowd, "10.0.0.1"), busy(&crowd, "10.0.0.1"), busy(&crowd, "10.0.0.1")];
        let _local = [busy(&crowd, "127.0.0.1"), busy(&crowd, "127.0.0.1"), busy(&crowd, "127.0.0.1")];
    }

    #[tokio::test]
    async fn what_a_proxy_brings_is_its_clients() {
        let crowd = crowd(100, 2);
        let brought = |client: &str| {
            let seat = busy(&crowd, "10.0.0.1");
            seat.is_taken_by(ip(client)).then_some(seat)
        };
        let first = brought("192.0.2.1").unwrap();
        let _second = brought("192.0.2.1").unwrap();
        assert!(brought("192.0.2.1").is_none());
        assert!(crowd.admit(ip("192.0.2.1")).is_err(), "nor by another way");
        assert!(brought("192.0.2.2").is_some());
        drop(first);
        assert!(brought("192.0.2.1").is_some());
        assert_eq!(crowd.members().per_peer.get(&ip("10.0.0.1")), None, "the proxy has none of its own");
    }

    #[tokio::test]
    async fn the_many_turned_away_are_not_all_answered() {
        let crowd = crowd(1, 1);
        let _only = busy(&crowd, "127.0.0.1");
        let standing: Vec<_> = (0..STANDING).map(|_| crowd.admit(ip("127.0.0.1")).err().unwrap()).collect();
        assert!(standing.iter().all(Option::is_some));
        assert!(crowd.admit(ip("127.0.0.1")).err().unwrap().is_none());
        drop(standing);
        assert!(crowd.admit(ip("127.0.0.1")).err().unwrap().is_some());
    }
}
