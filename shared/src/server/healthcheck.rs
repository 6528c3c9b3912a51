//! Asks a service on this machine whether it is ready, as a container's health check does.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(4);
const REQUEST: &[u8] = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Why a service does not count as ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// It does not answer, or not in HTTP.
    #[error("no answer from {0}")]
    Silent(SocketAddr, #[source] io::Error),
    /// It answers that it is not ready.
    #[error("{0} answers {1}; GET /health/ready says what is missing")]
    Status(SocketAddr, String),
}

/// Asks the service that listens on this address, over TLS if it has a certificate.
pub async fn ask(listens_on: SocketAddr, is_tls: bool) -> Result<(), NotReady> {
    let address = reachable(listens_on);
    let status = async { if is_tls { status_over_tls(address).await } else { status(address).await } };
    let answered = timeout(PATIENCE, status).await.unwrap_or_else(|elapsed| Err(elapsed.into()));
    match answered {
        Ok(status) if status == "200" => Ok(()),
        Ok(status) => Err(NotReady::Status(address, status)),
        Err(error) => Err(NotReady::Silent(address, error)),
    }
}

/// Where a service that listens on every address is found on its own machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

/// The certificate is for the service's public name, and this is the machine it runs on: it is not verified.
async fn status_over_tls(address: SocketAddr) -> io::Result<String> {
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().map_err(io::Error::other)?;
    let answer = client.get(format!("https://{address}/health/ready")).send().await.map_err(io::Error::other)?;
    Ok(answer.status().as_u16().to_string())
}

async fn status(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(REQUEST).await?;
    // `HTTP/1.1 200`
    let mut line = [0; 12];
    stream.read_exact(&mut line).await?;
    Ok(String::from_utf8_lossy(&line[9..]).into_owned())
}
