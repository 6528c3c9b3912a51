//! What is under way when the service is told to stop.

use super::*;

/// A.FA-12.
#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_cuts_what_only_hangs() {
    let mut server = Server::start().await;
    let mut idle = server.connect().await;
    idle.write_all(HELLO.as_bytes()).await.unwrap();
    read_some(&mut idle).await;
    let mut half = server.connect().await;
    half.write_all(b"GET /hello HTTP/1.1\r\n").await.unwrap();
    let _silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT / 4).await;

    let started = Instant::now();
    server.stop().await;

    assert!(started.elapsed() < limits().drain, "nothing needed to be cut at the very end");
    let answer = read_to_end(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow"), "{answer}");
    assert!(answer.contains("connection: close"));
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_refused(&read_to_end(&mut half).await, "408");
    assert!(TcpStream::connect(server.addr).await.is_err());
}

#[tokio::test]
async fn a_request_that_is_on_its_way_at_shutdown_is_still_answered() {
    let mut server = Server::start_with(ConnectionLimits { head: Duration::from_secs(5), ..limits() }).await;
    let mut stream = server.connect().await;
    let late = tokio::spawn(async move {
        tokio::time::sleep(SHORT).await;
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    });
    tokio::time::sleep(SHORT / 4).await;
    server.stop().await;
    let answer = late.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn what_hangs_at_shutdown_is_cut_in_the_end() {
    let mut server = Server::start_with(ConnectionLimits { answer: Duration::from_mins(1), ..limits() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT).await;
    let started = Instant::now();
    server.stop().await;
    assert!(started.elapsed() >= limits().drain && started.elapsed() < limits().drain * 2);
}
