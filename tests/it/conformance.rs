//! The conformance kit can tell a good resource server from a bad one.
//!
//! The good ones, ours and the examples, are driven by `tests/conformance/run`.

use std::net::Ipv4Addr;

use tests::{
    Http, MockIssuer,
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
