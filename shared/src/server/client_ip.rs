//! Whose request this is, when proxies stand in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use poem::{Request, http::HeaderMap};

/// The most addresses an `X-Forwarded-For` is followed through.
const MAX_HOPS: usize = 10;

/// The address of the client that made this request.
///
/// That is the peer of the connection, unless the peer is a trusted proxy: then it is the rightmost address in
/// `X-Forwarded-For` that is not a trusted proxy itself, because everything to the left of it was written by the client.
/// A malformed or overlong header counts for nothing. `Forwarded`, `X-Real-IP` and the like are never read.
pub fn client_ip(request: &Request, trusted: &[IpNet]) -> IpAddr {
    // Only a test calls an endpoint without a connection.
    let peer = request.remote_addr().as_socket_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SocketAddr::ip);
    behind_proxies(peer.to_canonical(), request.headers(), trusted)
}

pub(super) fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }
    forwarded_for(headers, trusted).unwrap_or(peer)
}

/// The rightmost untrusted address, or the leftmost one if proxies made the request themselves.
fn forwarded_for(headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut farthest = None;
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for (hop, text) in hops.enumerate() {
        let address = if hop < MAX_HOPS { parse(text.trim())? } else { return None };
        if !is_trusted(address, trusted) {
            return Some(address);
        }
        farthest = Some(address);
    }
    farthest
}

/// Reads an address as proxies write it, some with the client's port.
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// The network that one host may call its own: an IPv6 host owns a whole /64, and an IPv4 address in IPv6's clothes is one.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded_for: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded_for {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        behind_proxies(peer.parse::<IpAddr>().unwrap().to_canonical(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_who_he_is_whatever_he_writes() {
        assert_eq!(found("203.0.113.9", &["192.0.2.1"]), "203.0.113.9");
        assert_eq!(found("::ffff:203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn behind_a_trusted_proxy_the_rightmost_stranger_counts() {
        assert_eq!(found("10.0.0.1", &["192.0.2.66, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(found("10.0.0.1", &["192.0.2.66, 203.0.113.9, 10.0.0.7"]), "203.0.113.9");
        assert_eq!(found("fd00::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(found("::ffff:10.0.0.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn repeated_header_lines_are_one_list() {
        assert_eq!(found("10.0.0.1", &["192.0.2.66", "203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn a_port_is_not_part_of_an_address() {
        assert_eq!(found("10.0.0.1", &["203.0.113.9:5123"]), "203.0.113.9");
        assert_eq!(found("10.0.0.1", &["[2001:db8::1]:5123"]), "2001:db8::1");
    }

    #[test]
    fn proxies_alone_give_the_farthest_of_them() {
        assert_eq!(found("10.0.0.1", &["10.0.0.9, 10.0.0.2"]), "10.0.0.9");
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn nonsense_counts_for_nothing() {
        assert_eq!(found("10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &[""]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &["203.0.113.9,"]), "10.0.0.1");
        let endless = ["10.0.0.2"; 11].join(",");
        assert_eq!(found("10.0.0.1", &[&endless]), "10.0.0.1");
    }
}
