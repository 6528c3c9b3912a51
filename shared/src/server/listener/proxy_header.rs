//! What a proxy says about a connection before it passes the first byte on: the PROXY protocol, version 2.
//!
//! A load balancer that forwards bytes and not requests cannot write `X-Forwarded-For`. It writes this header instead, in
//! front of everything else, also of TLS. It is read from trusted proxies only, and from them always: the protocol forbids
//! guessing whether there is one, for then a client could write it (section 2 of its specification). To anybody else's
//! connection such a header is simply no HTTP.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX, Protocol, Type};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What comes before the length of the rest, and that length.
const START: usize = 16;
/// The longest rest: addresses, and what else a proxy may tell, such as its client's certificate.
const LONGEST: usize = 4096;
/// In the record about TLS: that the client of the proxy came over it.
const CLIENT_USED_TLS: u8 = 1;

/// Whether trusted proxies say whose connection they bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They do not; whoever sends such a header sends no HTTP.
    #[default]
    Off,
    /// They do, in version 2 of the protocol, or they are not let in.
    V2,
}

impl ProxyProtocol {
    /// Reads the setting, which makes no sense without anybody to trust.
    pub fn spoken_by(proxies: &[IpNet], text: &str) -> Result<Self, &'static str> {
        match text.trim() {
            "off" => Ok(Self::Off),
            "v2" if proxies.is_empty() => Err("nobody would be believed: name the proxies in --trusted-proxies"),
            "v2" => Ok(Self::V2),
            _ => Err("expected v2 or off"),
        }
    }
}

/// Whose connection a proxy brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// The proxy's own, as when it looks whether the service is there.
    Own,
    /// Somebody else's, and whether they came to the proxy over TLS.
    For { client: SocketAddr, over_tls: bool },
}

/// Why a connection is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unannounced {
    #[error("there is no PROXY header")]
    Missing,
    #[error("the PROXY header is malformed")]
    Malformed,
    #[error("the PROXY header is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the connection broke off")]
    Broken(#[from] io::Error),
}

/// Reads the header, and not a byte more.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Announced, Unannounced> {
    let mut header = [0; START + LONGEST];
    let mut filled = 0;
    // The signature as it comes: who begins with something else need not send as much as a header has.
    while filled < START {
        let read = stream.read(&mut header[filled..START]).await?;
        if read == 0 {
            return Err(Unannounced::Missing);
        }
        filled += read;
        let signature = PROTOCOL_PREFIX.len().min(filled);
        if header[..signature] != PROTOCOL_PREFIX[..signature] {
            return Err(Unannounced::Missing);
        }
    }
    let rest = usize::from(u16::from_be_bytes([header[START - 2], header[START - 1]]));
    let header = header.get_mut(..START + rest).ok_or(Unannounced::TooLong)?;
    stream.read_exact(&mut header[START..]).await?;
    understand(header)
}

fn understand(header: &[u8]) -> Result<Announced, Unannounced> {
    let header = Header::try_from(header).map_err(|_| Unannounced::Malformed)?;
    let client = match (header.command, header.addresses) {
        // Whatever addresses come with LOCAL are to be passed over; or the proxy cannot say, or its client has no address.
        (Command::Local, _) | (Command::Proxy, Addresses::Unspecified | Addresses::Unix(_)) => return Ok(Announced::Own),
        (Command::Proxy, Addresses::IPv4(ends)) => SocketAddr::new(IpAddr::V4(ends.source_address), ends.source_port),
        (Command::Proxy, Addresses::IPv6(ends)) => {
            SocketAddr::new(IpAddr::V6(ends.source_address).to_canonical(), ends.source_port)
        }
    };
    if header.protocol != Protocol::Stream {
        return Err(Unannounced::Malformed);
    }
    let mut over_tls = false;
    for record in header.tlvs() {
        let record = record.map_err(|_| Unannounced::Malformed)?;
        if record.kind == Type::SSL as u8 {
            over_tls = record.value.first().is_some_and(|client| client & CLIENT_USED_TLS != 0);
        }
    }
    Ok(Announced::For { client, over_tls })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = PROTOCOL_PREFIX.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    const V4: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 1, 0x14, 0x03, 0x1f, 0x90];

    async fn read_all(mut bytes: &[u8]) -> (Result<Announced, Unannounced>, &[u8]) {
        let announced = read(&mut bytes).await;
        (announced, bytes)
    }

    async fn client(bytes: &[u8]) -> Option<(String, bool)> {
        match read_all(bytes).await.0 {
            Ok(Announced::For { client, over_tls }) => Some((client.to_string(), over_tls)),
            Ok(Announced::Own) | Err(_) => None,
        }
    }

    #[tokio::test]
    async fn the_client_is_who_the_proxy_says_and_what_follows_is_left_alone() {
        let mut bytes = header(0x21, 0x11, &V4);
        bytes.extend(b"GET / HTTP/1.1\r\n");
        assert_eq!(client(&bytes).await, Some(("203.0.113.9:5123".to_owned(), false)));
        assert_eq!(read_all(&bytes).await.1, b"GET / HTTP/1.1\r\n");

        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 1;
        assert_eq!(client(&header(0x21, 0x21, &v6)).await, Some(("[2001:db8::1]:0".to_owned(), false)));
        v6[..16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9]);
        assert_eq!(client(&header(0x21, 0x21, &v6)).await, Some(("203.0.113.9:0".to_owned(), false)), "IPv4 in other clothes");
    }

    #[tokio::test]
    async fn a_connection_of_the_proxys_own_is_its_own() {
        for bytes in [header(0x20, 0x00, &[]), header(0x20, 0x11, &V4), header(0x21, 0x00, b"??"), header(0x21, 0x31, &[7; 216])]
        {
            assert!(matches!(read_all(&bytes).await.0, Ok(Announced::Own)), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_else_is_told_is_passed_over_but_that_the_client_came_over_tls() {
        let records = |records: &[u8]| header(0x21, 0x11, &[&V4[..], records].concat());
        let alpn = [1, 0, 2, b'h', b'2'];
        let tls = [0x20, 0, 5, 1, 0, 0, 0, 0];
        let no_tls = [0x20, 0, 5, 0, 0, 0, 0, 0];
        assert_eq!(client(&records(&alpn)).await.map(|(_, over_tls)| over_tls), Some(false));
        assert_eq!(client(&records(&[&alpn[..], &tls].concat())).await.map(|(_, over_tls)| over_tls), Some(true));
        assert_eq!(client(&records(&no_tls)).await.map(|(_, over_tls)| over_tls), Some(false));
        for broken in [&[1][..], &[1, 0], &[1, 0, 9, 0], &[0x20, 0xff, 0xff, 1]] {
            assert!(matches!(read_all(&records(broken)).await.0, Err(Unannounced::Malformed)), "{broken:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for none in
            [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n\0\r\nQUIT", b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n", b"\r"]
        {
            assert!(matches!(read_all(none).await.0, Err(Unannounced::Missing)), "{none:?}");
        }
        for malformed in [
            header(0x11, 0x11, &V4),
            header(0x22, 0x11, &V4),
            header(0x21, 0x41, &V4),
            header(0x21, 0x12, &V4),
            header(0x21, 0x13, &V4),
            header(0x21, 0x11, &V4[..11]),
            header(0x21, 0x21, &V4),
        ] {
            assert!(matches!(read_all(&malformed).await.0, Err(Unannounced::Malformed)), "{malformed:?}");
        }
        let long = header(0x21, 0x11, &[0; LONGEST + 1]);
        assert!(matches!(read_all(&long).await.0, Err(Unannounced::TooLong)));
        let cut = header(0x21, 0x11, &V4);
        assert!(matches!(read_all(&cut[..cut.len() - 1]).await.0, Err(Unannounced::Broken(_))));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused_and_never_beyond_its_length(
            start in prop::array::uniform4(any::<u8>()),
            rest in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let bytes = [PROTOCOL_PREFIX, &start, &rest].concat();
            let length = usize::from(u16::from_be_bytes([start[2], start[3]]));
            let (announced, left) = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(read_all(&bytes));
            if announced.is_ok() {
                prop_assert_eq!(left.len(), rest.len() - length);
            }
        }
    }
}
