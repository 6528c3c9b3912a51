//! HTTPS by the services themselves, and nothing but HTTPS in production (RFC 6749 §3.2, RFC 9110 §4.2.2).

use std::{fs, net::Ipv4Addr, path::Path, time::Duration};

use auth_service::Profile;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client, StatusCode};
use serde_json::Value;
use shared::server::tls::TlsFiles;
use tests::{AuthHome, AuthServer, Http, PASSWORD, ResourceHome, until};
use tokio::time::sleep;

/// Writes a new certificate for `localhost` and its key, and returns the certificate.
fn certify(directory: &Path) -> (TlsFiles, Certificate) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = TlsFiles { certificate: directory.join("cert.pem"), key: directory.join("key.pem") };
    fs::write(&files.certificate, cert.pem()).expect("the certificate can be written");
    fs::write(&files.key, signing_key.serialize_pem()).expect("the key can be written");
    (files, Certificate::from_pem(cert.pem().as_bytes()).expect("it is a certificate"))
}

/// A client that trusts this certificate and no other.
fn client_trusting(certificate: Certificate) -> Client {
    let builder = Client::builder().no_proxy().tls_certs_only([certificate]);
    builder.resolve("localhost", (Ipv4Addr::LOCALHOST, 0).into()).build().expect("a client")
}

async fn metadata(auth: &AuthServer, client: &Client) -> Result<reqwest::Response, reqwest::Error> {
    client.get(format!("{}/.well-known/oauth-authorization-server", auth.http().base())).send().await
}

#[tokio::test]
async fn a_service_with_a_certificate_speaks_https_and_says_so() {
    let home = AuthHome::new().await;
    let (files, certificate) = certify(home.directory());
    let auth = home.start(|config| config.tls = Some(files)).await.expect("it starts");
    let client = client_trusting(certificate);

    let answer = metadata(&auth, &client).await.expect("it answers");

    assert_eq!(answer.status(), StatusCode::OK);
    let hsts = answer.headers().get("strict-transport-security").expect("browsers are told to stay");
    assert_eq!(hsts, "max-age=63072000; includeSubDomains");
    let body = answer.bytes().await.expect("a body");
    let metadata: Value = serde_json::from_slice(&body).expect("the metadata is JSON");
    assert!(metadata["issuer"].as_str().is_some_and(|issuer| issuer.starts_with("https://localhost:")), "{metadata}");
}

#[tokio::test]
async fn nothing_is_answered_in_the_clear_where_there_is_a_certificate() {
    let home = AuthHome::new().await;
    let (files, _) = certify(home.directory());
    let auth = home.start(|config| config.tls = Some(files)).await.expect("it starts");

    let plain = Http::at(auth.http().base().replace("https:", "http:"));

    assert!(plain.get("/health/live").try_send().await.is_err());
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_open_connections_stay() {
    let home = AuthHome::new().await;
    let (files, old) = certify(home.directory());
    let auth = home.start(|config| config.tls = Some(files)).await.expect("it starts");
    let connected = client_trusting(old.clone());
    metadata(&auth, &connected).await.expect("it answers");

    let (_, new) = certify(home.directory());

    let newcomer = client_trusting(new);
    until("the new certificate is used", async || metadata(&auth, &newcomer).await.is_ok()).await;
    assert_eq!(metadata(&auth, &connected).await.expect("the connection is open still").status(), StatusCode::OK);
    assert!(metadata(&auth, &client_trusting(old)).await.is_err(), "nobody is shown the old one any more");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_and_never_replaces_a_good_one() {
    let home = AuthHome::new().await;
    let (files, certificate) = certify(home.directory());
    let refused = home.start(|config| {
        config.tls = Some(TlsFiles { certificate: files.key.clone(), key: files.key.clone() });
    });
    let Err(error) = refused.await else { panic!("a key is no certificate") };
    assert!(format!("{error:#}").contains("holds no certificate"), "{error:#}");

    let auth = home.start(|config| config.tls = Some(files.clone())).await.expect("it starts");
    fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nbroken").expect("the file can be written");
    sleep(Duration::from_millis(2500)).await;

    metadata(&auth, &client_trusting(certificate)).await.expect("the good one is in use");
}

/// A.CH-12.
#[tokio::test]
async fn te_13_a_ch_12_in_production_nothing_is_taken_in_the_clear() {
    let home = AuthHome::new().await;
    let auth = home
        .start(|config| {
            config.issuer = Some("https://issuer.example".to_owned());
            config.https_only = true;
        })
        .await
        .expect("it starts");
    auth.user("ada", &["editor"]).await;

    auth.client().password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_request");
    auth.http().get("/account").bearer("a.b.c").send().await.assert_problem(403);
    auth.http().get("/health/live").send().await.assert_ok();
    let forged = auth.client().password_request("ada", PASSWORD).header("x-forwarded-proto", "https");
    forged.send().await.assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn te_13_a_proxy_that_is_trusted_says_how_a_request_came_to_it() {
    let home = AuthHome::new().await;
    let auth = home
        .start(|config| {
            config.profile = Profile::Development;
            config.https_only = true;
            config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        })
        .await
        .expect("it starts");
    auth.user("ada", &["editor"]).await;
    let login = |scheme| auth.client().password_request("ada", PASSWORD).header("x-forwarded-proto", scheme);

    login("https").send().await.assert_tokens();
    login("http").send().await.assert_oauth_error(400, "invalid_request");
    login("https, http").send().await.assert_oauth_error(400, "invalid_request");
}

/// A.CH-12.
#[tokio::test]
async fn a_ch_12_the_api_takes_nothing_in_the_clear_either() {
    let home = ResourceHome::new().await;
    let resource = home.start("http://localhost:1", |config| config.https_only = true).await.expect("it starts");

    resource.http().get("/documents").bearer("a.b.c").send().await.assert_problem(403);
    resource.http().get("/health/live").send().await.assert_ok();
}
