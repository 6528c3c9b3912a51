//! Load balancers that say whose connection they bring (the PROXY protocol, version 2).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use auth_service::Config;
use rcgen::generate_simple_self_signed;
use reqwest::{Certificate, Client};
use shared::server::{listener::ProxyProtocol, rate_limit::rules, tls::TlsFiles};
use tests::{AuthHome, AuthProgram, AuthServer, Http, PASSWORD, wire};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const KEYS: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The records with which haproxy's `send-proxy-v2-ssl` says that its client came over TLS.
const OVER_TLS: &[u8] = &[0x20, 0, 5, 1, 0, 0, 0, 0];

/// The header for a client, with these records behind its addresses.
fn header(client: &str, records: &[u8]) -> Vec<u8> {
    let client: IpAddr = client.parse().expect("an address");
    let (family, addresses) = match client {
        IpAddr::V4(client) => (0x11, [client.octets(), [10, 0, 0, 1]].concat()),
        IpAddr::V6(client) => (0x21, [client.octets(), [0; 16]].concat()),
    };
    let rest = [&addresses[..], &[0x30, 0x39, 0x1f, 0x90], records].concat();
    let length = u16::try_from(rest.len()).expect("it is short").to_be_bytes();
    [SIGNATURE, &[0x21, family], &length, &rest].concat()
}

/// What a proxy sends when it only looks whether the service is there.
fn local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

fn behind(proxies: &'static str) -> impl FnOnce(&mut Config) {
    move |config| {
        config.trusted_proxies = vec![proxies.parse().expect("a network")];
        config.proxy_protocol = ProxyProtocol::V2;
    }
}

async fn started(change: impl FnOnce(&mut Config)) -> (AuthHome, AuthServer) {
    let home = AuthHome::new().await;
    let auth = home.start(change).await.expect("it starts");
    (home, auth)
}

async fn send(auth: &AuthServer, header: &[u8], request: &str) -> String {
    wire::send(auth.http(), [header, request.as_bytes()].concat()).await
}

/// A proxy that writes a header and then passes bytes on.
struct Proxy {
    address: SocketAddr,
    relay: JoinHandle<()>,
}

impl Proxy {
    async fn before(auth: &AuthServer, header: Vec<u8>) -> Self {
        let url: url::Url = auth.http().base().parse().expect("a URL");
        let service = (Ipv4Addr::LOCALHOST, url.port().expect("a port"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let relay = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let header = header.clone();
                tokio::spawn(async move {
                    let mut service = TcpStream::connect(service).await.expect("the service accepts");
                    service.write_all(&header).await.expect("the service reads");
                    let _ = copy_bidirectional(&mut stream, &mut service).await;
                });
            }
        });
        Self { address, relay }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

#[tokio::test]
async fn the_client_is_who_a_trusted_proxy_says() {
    let (home, auth) = started(|config| {
        behind("127.0.0.0/8")(config);
        config.rate_limits = rules("ip /.well-known/ 1/hour").expect("these are rules");
    })
    .await;

    for (client, status) in
        [("203.0.113.9", 200), ("203.0.113.9", 429), ("203.0.113.10", 200), ("2001:db8::1", 200), ("2001:db8::2", 429)]
    {
        assert_eq!(wire::status(&send(&auth, &header(client, &[]), KEYS).await), Some(status), "{client}");
    }
    let forged = KEYS.replace("Connection", "X-Forwarded-For: 192.0.2.1\r\nConnection");
    let answer = send(&auth, &header("203.0.113.9", &[]), &forged).await;
    assert_eq!(wire::status(&answer), Some(429), "what the client writes about itself counts for nothing:\n{answer}");

    // So it is recorded, too.
    let proxy = Proxy::before(&auth, header("198.51.100.7", &[])).await;
    let client = tests::OAuthClient::first_party(Http::at(format!("http://{}", proxy.address)));
    client.password("nobody", PASSWORD).await.assert_oauth_error(400, "invalid_grant");
    home.database().row("SELECT id FROM audit_event WHERE ip = '198.51.100.7'").await;
}

#[tokio::test]
async fn a_proxy_that_looks_after_the_service_is_itself() {
    let (_home, auth) = started(behind("127.0.0.0/8")).await;

    let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(wire::status(&send(&auth, &local(), live).await), Some(200));
}

#[tokio::test]
async fn a_trusted_proxy_must_say_whose_connection_it_is() {
    let (_home, auth) = started(behind("127.0.0.0/8")).await;

    for nothing in [
        &b""[..],
        b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n",
        &[SIGNATURE, &[0x31, 0x11, 0, 0]].concat(),
        &[SIGNATURE, &[0x21, 0x11, 0, 4], &[1; 4]].concat(),
        &[SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &vec![1; 65535]].concat(),
    ] {
        assert_eq!(send(&auth, nothing, KEYS).await, "", "{:?}", &nothing[..nothing.len().min(40)]);
    }
    assert_eq!(wire::status(&send(&auth, &header("203.0.113.9", &[]), KEYS).await), Some(200), "the service goes on");
}

#[tokio::test]
async fn nobody_else_is_believed() {
    for settings in [
        |config: &mut Config| behind("192.0.2.0/24")(config),
        |config: &mut Config| config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")],
    ] {
        let (_home, auth) = started(settings).await;

        let answer = send(&auth, &header("203.0.113.9", &[]), KEYS).await;
        assert_eq!(wire::status(&answer), Some(400), "{answer}");
        assert_eq!(wire::answers(&answer), 1, "{answer}");
        assert_eq!(wire::status(&send(&auth, b"", KEYS).await), Some(200), "whoever comes by themselves is let in");
    }
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let home = AuthHome::new().await;
    let certified = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = TlsFiles { certificate: home.directory().join("cert.pem"), key: home.directory().join("key.pem") };
    std::fs::write(&files.certificate, certified.cert.pem()).expect("the certificate can be written");
    std::fs::write(&files.key, certified.signing_key.serialize_pem()).expect("the key can be written");
    let settings = |config: &mut Config| {
        behind("127.0.0.0/8")(config);
        config.tls = Some(files);
        config.rate_limits = rules("ip 1/hour").expect("these are rules");
    };
    let auth = home.start(settings).await.expect("it starts");
    let certificate = Certificate::from_pem(certified.cert.pem().as_bytes()).expect("a certificate");

    for (client, status) in [("203.0.113.9", 200), ("203.0.113.9", 429), ("203.0.113.10", 200)] {
        let proxy = Proxy::before(&auth, header(client, &[])).await;
        let builder = Client::builder().no_proxy().tls_certs_only([certificate.clone()]).resolve("localhost", proxy.address);
        let url = format!("https://localhost:{}/.well-known/jwks.json", proxy.address.port());
        let answer = builder.build().expect("a client").get(url).send().await.expect("it answers");
        assert_eq!(answer.status().as_u16(), status, "{client}");
    }
}

/// A.CH-12, behind a proxy that ends TLS and cannot write `X-Forwarded-Proto`.
#[tokio::test]
async fn where_https_is_demanded_the_proxy_says_whether_it_was() {
    let (_home, auth) = started(|config| {
        behind("127.0.0.0/8")(config);
        config.https_only = true;
    })
    .await;

    assert_eq!(wire::status(&send(&auth, &header("203.0.113.9", OVER_TLS), KEYS).await), Some(200));
    assert_eq!(wire::status(&send(&auth, &header("203.0.113.9", &[]), KEYS).await), Some(403));
    let forged = KEYS.replace("Connection", "X-Forwarded-Proto: https\r\nConnection");
    assert_eq!(wire::status(&send(&auth, &header("203.0.113.9", &[]), &forged).await), Some(403));
}

#[tokio::test]
async fn a_setting_by_which_nobody_is_believed_is_refused() {
    for (setting, expected) in [("v2", "--trusted-proxies"), ("v1", "v2 or off")] {
        let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await.setting("AUTH_PROXY_PROTOCOL", setting);
        let output = program.run(&["serve"], "").await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("AUTH_PROXY_PROTOCOL") && said.contains(expected), "{said}");
    }
}
