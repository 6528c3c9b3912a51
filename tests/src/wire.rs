//! Bytes on a connection, for requests that no HTTP library would send.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use url::Url;

use crate::Http;

/// How long a service is given to say more, or to close.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connection of its own.
pub async fn connect(http: &Http) -> TcpStream {
    let url = Url::parse(http.base()).expect("a service has a URL");
    let port = url.port_or_known_default().expect("a service has a port");
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("the service accepts")
}

/// Sends these bytes on a connection of their own, and returns all that comes back until the service closes it or has no
/// more to say.
pub async fn send(http: &Http, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(http).await;
    // A service that has heard enough may answer and close before everything is sent.
    let _ = timeout(PATIENCE, stream.write_all(bytes.as_ref())).await;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(length @ 1..)) = timeout(PATIENCE, stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer in what came back.
pub fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// How many answers came back.
pub fn answers(answer: &str) -> usize {
    answer.matches("HTTP/1.1 ").count()
}
