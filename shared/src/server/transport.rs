//! Whether a request came encrypted.

use std::net::SocketAddr;

use ipnet::IpNet;
use poem::{
    Request,
    http::{HeaderMap, StatusCode, uri::Scheme},
};

use super::{client_ip::is_trusted, problem::Problem};

/// Refuses a request that came in the clear: it is never redirected, for its credentials would come the same way again
/// (RFC 6749 §3.2). Probes from the same machine may.
pub(super) fn check(request: &Request, trusted: &[IpNet]) -> poem::Result<()> {
    let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
    let is_encrypted = *request.scheme() == Scheme::HTTPS
        || peer.is_some_and(|peer| is_trusted(peer.to_canonical(), trusted) && came_over_https(request.headers()));
    if is_encrypted || request.uri().path().starts_with("/health/") {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN).detail("This service is used over HTTPS only.").into())
}

/// What the proxy next to us says. It writes the last word; what stands before it came from outside.
fn came_over_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all("x-forwarded-proto").iter().next_back();
    let scheme = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    scheme.is_some_and(|scheme| scheme.trim() == "https")
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_proxys_own_word_counts() {
        let said = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-proto", HeaderValue::from_static(line));
            }
            came_over_https(&headers)
        };
        assert!(said(&["https"]));
        assert!(said(&["http", "https"]));
        assert!(said(&["http, https"]));
        for lines in [&[][..], &["http"], &["https, http"], &["https", "http"], &["HTTPS"], &[""]] {
            assert!(!said(lines), "{lines:?}");
        }
    }
}
