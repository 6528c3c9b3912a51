//! Who takes their time, and the place that it costs others.

use super::*;

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_half_head_is_told_why() {
    let server = Server::start().await;
    assert_eq!(server.exchange("").await, "");
    assert!(server.has_cut("silent"));

    let answer = server.exchange("GET /hello HTTP/1.1\r\nHost: a\r\n").await;
    assert_refused(&answer, "408 Request Timeout");
    assert!(server.has_cut("slow_head"));
    assert_eq!(server.exchange("PRI * HTTP/2.0\r\n").await, "", "half of the HTTP/2 preface");
}

/// A.LD-03: slow heads.
#[tokio::test]
async fn a_head_that_trickles_gains_no_time() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let started = Instant::now();
    for byte in b"GET /hello HTTP/1.1\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        if started.elapsed() > SHORT * 4 {
            break;
        }
    }
    assert_refused(&read_to_end(&mut stream).await, "408");
}

#[tokio::test]
async fn a_second_head_that_hangs_is_cut_like_the_first() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
    stream.write_all(b"GET /hel").await.unwrap();
    let started = Instant::now();
    assert_refused(&read_to_end(&mut stream).await, "408");
    assert!(started.elapsed() < limits().idle, "the idle time does not count for a head that has begun");
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_while() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    read_some(&mut stream).await;
    tokio::time::sleep(SHORT * 2).await;
    stream.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(server.has_cut("idle"));
}

/// A.IF-06, A.LD-03: slow bodies.
#[tokio::test]
async fn a_slow_body_is_408_and_an_oversized_one_413_however_it_is_announced() {
    let server = Server::start().await;
    let half = server.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_refused(&half, "408");
    let announced = server.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n").await;
    assert_refused(&announced, "413");

    let mut chunked = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..200 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b'a'; 1024]);
        chunked.extend_from_slice(b"\r\n");
    }
    assert_refused(&server.exchange(chunked).await, "413");
}

#[tokio::test]
async fn a_proxy_has_no_more_time_than_anybody_to_say_whose_connection_it_brings() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let server = Server::start_as(limits(), |listener| listener.trusting(proxies, ProxyProtocol::V2)).await;

    assert_eq!(server.exchange(b"").await, "");
    assert!(server.has_cut("silent"));
    assert_eq!(server.exchange(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0").await, "", "half a header");
    assert!(!server.has_cut("unannounced"));
    assert_eq!(server.exchange(HELLO).await, "");
    assert!(server.has_cut("unannounced"));
    assert_eq!(server.served.load(Ordering::SeqCst), 0);
}

/// A.LD-10.
#[tokio::test]
async fn the_crowd_has_a_limit_and_the_idle_make_room() {
    let server = Server::start_with(ConnectionLimits { head: Duration::from_secs(5), ..limits() }).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        busy.push(stream);
    }
    tokio::time::sleep(SHORT / 2).await;

    assert_refused(&server.exchange(HELLO).await, "503");
    assert!(server.has_cut("turned_away"));

    for stream in &mut busy {
        assert!(read_some(stream).await.starts_with("HTTP/1.1 200"));
    }
    assert!(server.exchange(LAST_HELLO).await.starts_with("HTTP/1.1 200"), "one of the four was idle by now");
    assert!(server.has_cut("evicted"));
}

/// A.LD-03: slow readers.
#[tokio::test]
async fn an_answer_that_nobody_reads_does_not_hold_a_place() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(limits().answer * 2).await;
    assert!(server.has_cut("slow_reader"));
}
