//! Where the issuer is, and what cannot be one.

use tokio::{io::AsyncReadExt, net::TcpListener};

use super::*;

#[tokio::test]
async fn connections_can_go_elsewhere_while_the_names_stay_the_issuers() {
    let ([key, _], server) = (keys(), WebServer::start().await);
    for issuer in ["http://auth.example:8080", "http://auth.example", "http://192.0.2.1:9"] {
        server.publish(issuer, &[&key]);
        let followed = lazy(issuer).connect_to(Some(server.authority().to_owned())).start().unwrap();
        let verifier = AccessTokenVerifier::following(followed, RESOURCE);
        assert!(verifier.verify(&token(issuer, &key)).await.is_ok());
        assert!(server.last(JWKS).contains(&format!("host: {}\r\n", &issuer[7..])));
    }
}

#[tokio::test]
async fn tls_is_told_the_issuers_name_wherever_the_connection_goes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let _followed = match lazy("https://auth.example:8443").connect_to(Some(place)).start() {
        Ok(followed) => followed,
        // A machine without any trusted certificates cannot speak TLS to anybody.
        Err(IssuerError::Client(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; 4096];
    let length = stream.read(&mut hello).await.unwrap();
    assert_eq!(hello[..2], [22, 3], "a TLS handshake");
    assert!(hello[..length].windows(12).any(|window| window == b"auth.example"));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    for issuer in
        ["", "auth.example", "ftp://auth.example", "https://auth.example?a", "https://auth.example#a", "https://u@auth.example"]
    {
        assert!(matches!(IssuerKeys::builder(issuer).start(), Err(IssuerError::Issuer(_))), "{issuer}");
    }
    for place in ["", "host", "host:", "host:port", ":80", "ho st:80", "http://host:80"] {
        let builder = IssuerKeys::builder("http://auth.example").connect_to(Some(place.into()));
        assert!(matches!(builder.start(), Err(IssuerError::ConnectTo(..))), "{place}");
    }
}
