//! Frames of HTTP/2 that cost a client nothing and would cost a server much (RFC 9113 §10.5).

use std::time::Duration;

use tests::{Http, PATIENCE, Stack, wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET /health/live` or `POST /oauth2/token` to `localhost`, by the static table of HPACK and literals that are kept nowhere.
fn request(method: u8, path: &str) -> Vec<u8> {
    let literal = |name: u8, value: &str| {
        let length = u8::try_from(value.len()).expect("it is short");
        [&[name, length], value.as_bytes()].concat()
    };
    [vec![method, 0x86], literal(0x04, path), literal(0x01, "localhost")].concat()
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A connection on which HTTP/2 has begun.
async fn connect(http: &Http) -> TcpStream {
    let mut stream = wire::connect(http).await;
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.expect("it reads");
    stream
}

/// Sends one flood after another until the service closes the connection, and returns what it said; or nothing, if it
/// takes all of them.
async fn flood(http: &Http, mut next: impl FnMut(u32) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut stream = connect(http).await;
    let (mut reading, mut writing) = stream.split();
    let mut said = Vec::new();
    let writing = async {
        let mut number = 0;
        while let Some(frames) = next(number) {
            if writing.write_all(&frames).await.is_err() {
                break;
            }
            number += 1;
        }
        // It takes all of them, or will never say that it does not.
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        read = timeout(PATIENCE, reading.read_to_end(&mut said)) => { let _ = read.expect("it closes the connection"); Some(said) }
        () = writing => None,
    }
}

/// The kinds of the frames that came, and the error of a GOAWAY if one came.
fn kinds(mut said: &[u8]) -> (Vec<u8>, Option<u32>) {
    let (mut kinds, mut error) = (Vec::new(), None);
    while let Some((head, rest)) = said.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        kinds.push(head[3]);
        if head[3] == GO_AWAY {
            error = payload.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        }
        said = rest;
    }
    (kinds, error)
}

async fn is_well(http: &Http) {
    http.get("/health/live").send().await.assert_ok();
}

/// The stream of a client's nth request.
const fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// Anything but `NO_ERROR`, or a connection that is just closed.
#[track_caller]
fn assert_ended(said: Option<Vec<u8>>, flood: &str) {
    let (kinds, error) = kinds(&said.unwrap_or_else(|| panic!("{flood}: all of it was taken")));
    assert_ne!(error, Some(0), "{flood}: {kinds:?}");
}

/// A.CH-11: also without TLS, HTTP/2 is spoken to whoever begins with it.
#[tokio::test]
async fn who_begins_with_http2_is_answered_in_http2() {
    let stack = Stack::start().await;
    let mut connection = connect(stack.api()).await;
    let get = frame(HEADERS, END_STREAM | END_HEADERS, 1, &request(GET, "/health/live"));
    connection.write_all(&get).await.expect("it reads");

    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while !kinds(&said).0.contains(&HEADERS) {
        let length = timeout(PATIENCE, connection.read(&mut buffer)).await.expect("it answers").expect("it is open");
        assert_ne!(length, 0, "it closed: {said:?}");
        said.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(kinds(&said).0[0], SETTINGS);
}

/// A.CH-11: RUSTSEC-2024-0003, CVE-2023-44487.
#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let stack = Stack::start().await;
    let http = stack.auth().http();
    let get = request(GET, "/.well-known/jwks.json");

    let said = flood(http, |number| {
        let open = frame(HEADERS, END_STREAM | END_HEADERS, stream(number), &get);
        (number < 20_000).then(|| [open, frame(RESET, 0, stream(number), &8_u32.to_be_bytes())].concat())
    });

    assert_ended(said.await, "rapid reset");
    is_well(http).await;
}

/// A.CH-11: RUSTSEC-2024-0332.
#[tokio::test]
async fn a_head_that_goes_on_and_on_ends_the_connection() {
    let stack = Stack::start().await;
    let http = stack.auth().http();
    // A header of its own, never ended: `x: ` and 16 KiB less a little.
    let long = [&[0x00, 1, b'x', 0x7f, 0x80, 0x7c][..], &[b'a'; 127 + 15_872]].concat();

    let said = flood(http, |number| match number {
        0 => Some(frame(HEADERS, 0, 1, &request(GET, "/health/live"))),
        1..2000 => Some(frame(CONTINUATION, 0, 1, &long)),
        _ => None,
    });

    assert_ended(said.await, "CONTINUATION flood");
    is_well(http).await;
}

/// A.CH-11: the same with frames that hold nothing.
#[tokio::test]
async fn continuations_of_nothing_end_the_connection() {
    let stack = Stack::start().await;
    let http = stack.auth().http();

    let said = flood(http, |number| match number {
        0 => Some(frame(HEADERS, 0, 1, &request(GET, "/health/live"))),
        1..200_000 => Some(frame(CONTINUATION, 0, 1, &[])),
        _ => None,
    });

    assert_ended(said.await, "empty CONTINUATION flood");
    is_well(http).await;
}

/// A.CH-11: RUSTSEC-2026-0258. A body of nothing does not keep its request longer than any other.
#[tokio::test]
async fn a_body_of_empty_frames_is_bounded() {
    let stack = Stack::start().await;
    let http = stack.auth().http();
    let mut connection = connect(http).await;
    let post = frame(HEADERS, END_HEADERS, 1, &request(POST, "/oauth2/token"));
    connection.write_all(&post).await.expect("it reads");
    let (mut reading, mut writing) = connection.split();
    let empty = frame(DATA, 0, 1, &[]).repeat(1000);

    let answered = async {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = reading.read(&mut buffer).await {
            said.extend_from_slice(&buffer[..length]);
            let (kinds, _) = kinds(&said);
            if [HEADERS, RESET, GO_AWAY].iter().any(|end| kinds.contains(end)) {
                break;
            }
        }
    };
    let send = async {
        while writing.write_all(&empty).await.is_ok() {
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = timeout(PATIENCE, answered) => ended.expect("it answers, or closes the connection"),
        () = send => {}
    }
    is_well(http).await;
}
