//! A service that is told to stop finishes what it has taken on.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tests::{AuthProgram, PASSWORD, PATIENCE, wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

/// A.FA-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_request_that_was_taken_is_answered_and_the_program_ends_well() {
    let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await.setting("AUTH_LOGIN_THROTTLE", "off");
    let auth = program.serve().await;
    program.expect(&["user", "add", "ada", "--role", "editor"], &format!("{PASSWORD}\n")).await;
    let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut idle = wire::connect(auth.http()).await;
    idle.write_all(live.as_bytes()).await.expect("it reads");
    let read = timeout(PATIENCE, idle.read(&mut [0; 2048])).await.expect("it answers").expect("it is open");
    assert_ne!(read, 0);
    let mut half = wire::connect(auth.http()).await;
    half.write_all(&live.as_bytes()[..30]).await.expect("it reads");
    let silent = wire::connect(auth.http()).await;

    let is_stopping = AtomicBool::new(false);
    // Twenty clients, each with a request every tenth of a second.
    let load = join_all((0..20).map(|number| {
        let (http, client, is_stopping) = (auth.http().clone(), auth.client(), &is_stopping);
        async move {
            let mut answered = 0;
            loop {
                let call = match number % 2 {
                    0 => http.get("/.well-known/jwks.json"),
                    _ => client.password_request("ada", PASSWORD),
                };
                match call.try_send().await {
                    // Logins may be too many at once, which is an answer.
                    Ok(answer) => assert!(matches!(answer.status(), 200 | 503), "{answer}"),
                    Err(error) => {
                        assert!(error.is_connect(), "a request that was taken is not answered: {error:?}");
                        assert!(is_stopping.load(Ordering::SeqCst), "nobody has said that it should stop: {error:?}");
                        return answered;
                    }
                }
                answered += 1;
                sleep(Duration::from_millis(100)).await;
            }
        }
    }));
    let stop = async {
        sleep(Duration::from_secs(1)).await;
        is_stopping.store(true, Ordering::SeqCst);
        auth.ask_to_stop().await;
    };
    let (answered, ()) = tokio::join!(load, stop);

    assert!(answered.iter().all(|answered| *answered > 0), "{answered:?}");
    let status = auth.ended().await;
    assert!(status.success(), "{status}");
    for mut left in [idle, half, silent] {
        // Closed, with or without a word, and not left hanging.
        let _ = timeout(PATIENCE, left.read_to_end(&mut Vec::new())).await.expect("it is closed");
    }
}
