//! The conformance kit can tell a good resource server from a bad one.
//!
//! The good ones, ours as a program of its own and the examples, are driven by `tests/conformance/run`.

use std::{net::Ipv4Addr, time::Duration};

use tests::{
    Http, MockIssuer, ResourceHome,
    conformance::{self, Report, Target, Trial, Verdict},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Drives an API that gives the same answer to everything.
async fn report_on(answer: &'static str) -> Report {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let api = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(say(stream, answer));
        }
    });
    let target = Target {
        name: "<an API>".to_owned(),
        http: Http::to_a_stranger(&url),
        audience: url,
        path: "/orders".to_owned(),
        scope: "documents:read".to_owned(),
        role_path: Some("/admin/orders".to_owned()),
        role: "admin".to_owned(),
        leeway: 30,
        heeds_status: true,
    };
    let report = conformance::run(&Trial::new(target, MockIssuer::start().await), |_| {}).await;
    api.abort();
    report
}

async fn say(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    // A request with a body brings that along, or it is not read: the answer is the same.
    while !head.windows(4).rev().take(8192).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// A.JV-01 A.JV-02 A.JV-03 A.JV-04 A.JV-05 A.JV-06 A.JV-07 A.JV-09 A.JV-10 A.JV-11 A.JV-13 A.JV-14 A.JV-15 A.JV-17 A.JV-19
/// A.JV-20 A.JV-21 A.JV-22 A.JV-23 A.JV-24 A.JV-25 A.JV-26 A.JV-27
#[tokio::test]
async fn our_own_api_passes_every_row() {
    let (issuer, home) = (MockIssuer::start().await, ResourceHome::new().await);
    let resource = home.start(issuer.url(), |_| {}).await.expect("it starts");
    let target = Target {
        name: "resource-service".to_owned(),
        http: Http::to_a_stranger(resource.http().base()),
        audience: resource.id().to_owned(),
        path: "/documents".to_owned(),
        scope: "documents:read documents:admin".to_owned(),
        role_path: Some("/admin/documents".to_owned()),
        role: "admin".to_owned(),
        leeway: 30,
        heeds_status: true,
    };
    let trial = Trial::new(target, issuer);
    trial.wait(Duration::from_secs(30)).await.expect("a good token is taken");

    let report = conformance::run(&trial, |outcome| {
        assert!(matches!(outcome.verdict, Verdict::Pass | Verdict::NotApplicable), "{}: {:?}", outcome.id, outcome.findings);
    })
    .await;

    assert!(report.count(Verdict::Pass) >= 28, "{report}");
}

#[tokio::test]
async fn an_api_that_lets_everybody_in_fails_every_row_that_a_standard_demands() {
    let report = report_on("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]").await;

    assert_eq!(report.count(Verdict::Pass), 0, "{report}");
    assert!(report.count(Verdict::Fail) >= 20, "{report}");
    assert!(report.junit().contains("<failure") && report.html().contains("&lt;an API&gt;"), "what it is called is no markup");
}

#[tokio::test]
async fn an_api_that_lets_nobody_in_fails_too() {
    let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"x\", error=\"invalid_token\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    let report = report_on(refusal).await;

    assert_eq!(report.count(Verdict::Pass), 0, "{report}");
}

#[tokio::test]
async fn an_api_that_falls_over_is_not_taken_for_one_that_refuses() {
    let report = report_on("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;

    assert_eq!(report.count(Verdict::Pass), 0, "{report}");
    assert_eq!(report.count(Verdict::Warning), 0, "{report}");
}
