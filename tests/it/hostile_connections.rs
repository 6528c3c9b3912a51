//! Clients that send what is no request, too much of it, or too little, and hold on to their connections.

use std::{net::Ipv4Addr, time::Duration};

use futures_util::future::join_all;
use shared::server::listener::{ConnectionLimits, Listener};
use tests::{AuthHome, Http, PATIENCE, Stack, free_address, until, wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// All that comes until the service closes the connection.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // One that is reset is closed as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the service closes it");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_well(http: &Http) {
    http.get("/health/live").send().await.assert_ok();
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\r\n{body}")
}

/// A.IF-06: one byte more than the limit, however it is announced, and chunks without end.
#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_no_further() {
    const LIMIT: usize = 16 * 1024;
    let stack = Stack::start().await;
    let http = stack.auth().http();

    let within = post("/oauth2/token", &format!("Content-Length: {LIMIT}\r\n"), &"a".repeat(LIMIT));
    assert_eq!(wire::status(&wire::send(http, within).await), Some(400), "all of it was read, and is no form of ours");
    let beyond = post("/oauth2/token", &format!("Content-Length: {}\r\n", LIMIT + 1), "");
    assert_eq!(wire::status(&wire::send(http, beyond).await), Some(413), "nobody waits for it");
    let empty = post("/oauth2/token", "Content-Length: 0\r\n", "");
    assert_eq!(wire::status(&wire::send(http, empty).await), Some(400));

    let mut stream = wire::connect(http).await;
    stream.write_all(post("/oauth2/token", "Transfer-Encoding: chunked\r\n", "").as_bytes()).await.expect("it reads");
    let chunk = format!("400\r\n{}\r\n", "a".repeat(1024));
    let mut sent = 0;
    // The service answers and closes after the limit; what the kernels hold in between is not without end either.
    while sent < 64 << 20 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 1024;
    }
    assert!(sent < 64 << 20, "the service takes chunks without end");
    is_well(http).await;
}

/// A.IF-06: less than was announced.
#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let stack = Stack::start().await;
    let mut stream = wire::connect(stack.auth().http()).await;
    let request = post("/oauth2/token", "Content-Length: 100\r\n", "grant_type=password");
    stream.write_all(request.as_bytes()).await.expect("it reads");

    let answer = read_to_end(stream).await;

    assert_eq!(wire::status(&answer), Some(408), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

/// A.IF-10.
#[tokio::test]
async fn whatever_is_no_request_ends_its_connection_and_nothing_else() {
    let stack = Stack::start().await;
    let http = stack.auth().http();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |length: usize| -> Vec<u8> {
        let byte = |_| {
            // xorshift64: the same bytes on every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..length).map(byte).collect()
    };

    for length in [1, 7, 64, 1000, 5000] {
        for _ in 0..20 {
            let answer = wire::send(http, [random(length), b"\r\n\r\n".to_vec()].concat()).await;
            assert!(matches!(wire::status(&answer), None | Some(400 | 408 | 414 | 431 | 501 | 505)), "{answer}");
        }
    }
    let client_hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &random(512)].concat();
    assert_eq!(wire::status(&wire::send(http, client_hello).await), Some(400));
    is_well(http).await;
}

/// A.IF-10: a client may close its own direction after its request, and still wants the answer.
#[tokio::test]
async fn a_connection_closed_by_half_is_still_answered() {
    let stack = Stack::start().await;
    let mut stream = wire::connect(stack.api()).await;
    stream.write_all(LIVE.as_bytes()).await.expect("it reads");
    stream.shutdown().await.expect("it was open");
    assert_eq!(wire::status(&read_to_end(stream).await), Some(200));

    let mut half = wire::connect(stack.api()).await;
    half.write_all(&LIVE.as_bytes()[..20]).await.expect("it reads");
    half.shutdown().await.expect("it was open");
    assert_ne!(wire::status(&read_to_end(half).await), Some(200));
    is_well(stack.api()).await;
}

/// A.IF-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_that_are_given_up_leave_nothing_behind() {
    let metrics = free_address();
    let stack = Stack::builder().auth(move |config| config.metrics_listen = Some(metrics)).start().await;
    let http = stack.auth().http();

    for round in 0..100 {
        join_all((0..100).map(|number| async move {
            let mut stream = wire::connect(http).await;
            if (round + number) % 2 == 0 {
                let _ = stream.write_all(&LIVE.as_bytes()[..number % LIVE.len()]).await;
            }
        }))
        .await;
    }

    is_well(http).await;
    let metrics = Http::at(format!("http://{metrics}"));
    // What is kept open is kept by those who still use it: this test, and resource-service.
    until("the service lets go of them", async || open_connections(&metrics).await <= 10).await;
}

async fn open_connections(metrics: &Http) -> u64 {
    let text = metrics.get("/metrics").send().await.text().to_owned();
    let open = text.lines().find_map(|line| line.strip_prefix("http_connections_open "));
    open.and_then(|open| open.parse().ok()).unwrap_or_else(|| panic!("no such metric:\n{text}"))
}

/// A.LD-03: what a client holds without saying anything is taken back, whatever it began with, and others do not notice.
#[tokio::test]
async fn slow_clients_lose_their_connections_and_cost_nobody_anything() {
    const EACH: usize = 100;
    let stack = Stack::start().await;
    let http = stack.auth().http();
    stack.user("ada", &["editor"]).await;
    let beginnings = [
        "",
        "GET /health/live",
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        &post("/oauth2/token", "Content-Length: 1000\r\n", "grant_type="),
        &post("/oauth2/token", "Transfer-Encoding: chunked\r\n", "400\r\ngran"),
    ];

    let slow = join_all(beginnings.iter().flat_map(|beginning| (0..EACH).map(move |_| trickle(http, beginning))));
    let (cut, ()) = tokio::join!(slow, async {
        for _ in 0..20 {
            is_well(http).await;
            stack.client().password("ada", tests::PASSWORD).await.assert_tokens();
        }
    });

    for (number, answer) in cut.iter().enumerate() {
        let expected = if number < EACH { None } else { Some(408) };
        assert_eq!(wire::status(answer), expected, "{:?}: {answer}", beginnings[number / EACH]);
    }
}

/// Sends a beginning and then a byte from time to time, until the service has had enough.
async fn trickle(http: &Http, beginning: &str) -> String {
    let mut stream = wire::connect(http).await;
    stream.write_all(beginning.as_bytes()).await.expect("it reads");
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let write = async {
        // Who has said nothing goes on to say nothing.
        while beginning.is_empty() || writing.write_all(b"a").await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        read = timeout(PATIENCE, reading.read_to_end(&mut answer)) => {
            let read = read.expect("the service closes it");
            if let (Err(error), true) = (read, answer.is_empty()) {
                return format!("no answer, but {error}");
            }
        }
        () = write => {}
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A.LD-10: more connections than there may be, all of them idle.
#[tokio::test]
async fn the_longest_idle_of_too_many_connections_makes_room() {
    const ROOM: usize = 50;
    let limits = ConnectionLimits { total: ROOM, ..ConnectionLimits::default() };
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free").limits(limits);
    let home = AuthHome::new().await;
    let auth = home.start_behind(listener, |_| {}).await.expect("it starts");

    let mut idle = Vec::new();
    for _ in 0..ROOM * 4 {
        let mut stream = wire::connect(auth.http()).await;
        stream.write_all(LIVE.as_bytes()).await.expect("it reads");
        let mut answer = [0; 2048];
        let length = timeout(PATIENCE, stream.read(&mut answer)).await.expect("it answers").expect("there is room for it");
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        idle.push(stream);
    }

    let newest = idle.split_off(ROOM * 3);
    for stream in idle {
        assert_eq!(read_to_end(stream).await, "", "closed without a word, as an idle connection is");
    }
    let mut answered = 0;
    for mut stream in newest {
        let mut answer = [0; 2048];
        let sent = stream.write_all(LIVE.as_bytes()).await;
        let read = timeout(PATIENCE, stream.read(&mut answer)).await.expect("it answers or closes");
        answered += usize::from(sent.is_ok() && read.is_ok_and(|length| length > 0));
    }
    assert_eq!(answered, ROOM, "all the others are kept");
}

/// A.LD-10.
#[test]
fn how_many_connections_there_may_be_is_not_left_to_chance() {
    let limits = ConnectionLimits::default();
    assert_eq!((limits.total, limits.per_peer), (2000, 50));
}
