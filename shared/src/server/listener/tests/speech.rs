//! What is HTTP, what is none, and what could be read in two ways.

use super::*;

#[tokio::test]
async fn requests_follow_each_other_on_a_connection_in_pieces_or_all_at_once() {
    let server = Server::start().await;
    let answer = server.exchange([HELLO, HELLO, LAST_HELLO].concat()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");

    let mut stream = server.connect().await;
    for piece in LAST_HELLO.as_bytes().chunks(7) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

/// A.CH-10, A.IF-10.
#[tokio::test]
async fn what_is_not_http_is_answered_in_our_words() {
    let server = Server::start().await;
    for nonsense in [
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
        "GET\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    ] {
        let answer = server.exchange(format!("{nonsense}{HELLO}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{nonsense:?}: {answer}");
        assert!(answer.contains("x-request-id: ") && answer.contains("application/problem+json"), "{nonsense:?}: {answer}");
    }
    let many = "X-A: b\r\n".repeat(200);
    assert_refused(&server.exchange(format!("GET /hello HTTP/1.1\r\n{many}\r\n")).await, "431");
    assert_refused(&server.exchange(format!("GET /hello HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(1 << 20))).await, "431");
    let long = server.exchange(format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "a".repeat(1 << 20))).await;
    assert!(long.starts_with("HTTP/1.1 414") || long.starts_with("HTTP/1.1 431"), "{long}");
}

/// A.CH-10.
#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_what_follows_it_is_never_answered() {
    let server = Server::start().await;
    for ambiguous in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "GET /hello HTTP/1.1\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n\n",
    ] {
        let answer = server.exchange(format!("{ambiguous}{HELLO}")).await;
        assert_refused(&answer, "400");
    }
    assert_eq!(server.served.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn http2_is_spoken_to_who_begins_with_it() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
}
