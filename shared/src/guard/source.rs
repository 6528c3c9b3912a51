//! Where a request comes from, for tokens that are bound to networks.

use std::net::IpAddr;

use ipnet::IpNet;
use poem::Request;

use crate::access_token::AccessTokenClaims;

/// Whether a request may be made with this token from where it comes. Who cannot tell says no.
pub(super) fn is_allowed(claims: &AccessTokenClaims, request: &Request) -> bool {
    claims.sources.is_empty() || address(request).is_some_and(|address| is_within(&claims.sources, address))
}

/// What is no network holds no address.
fn is_within(networks: &[String], address: IpAddr) -> bool {
    networks.iter().filter_map(|network| network.parse::<IpNet>().ok()).any(|network| network.contains(&address))
}

/// The client's address: behind trusted proxies, if the edge has found it there.
fn address(request: &Request) -> Option<IpAddr> {
    #[cfg(feature = "server")]
    if let Some(context) = request.extensions().get::<crate::server::context::RequestContext>() {
        return Some(context.client_ip.to_canonical());
    }
    request.remote_addr().as_socket_addr().map(|address| address.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_within_one_of_the_networks_or_not_allowed() {
        let networks = ["10.0.0.0/8", "2001:db8::/32", "nonsense"].map(ToOwned::to_owned);
        for (address, expected) in [("10.1.2.3", true), ("2001:db8::1", true), ("11.0.0.1", false), ("::1", false)] {
            assert_eq!(is_within(&networks, address.parse().unwrap()), expected, "{address}");
        }
        assert!(!is_within(&["nonsense".to_owned()], "10.0.0.1".parse().unwrap()));
    }
}
