//! The clock of the issuer jumps between two starts.

use tests::{AuthProcess, AuthProgram, OAuthClient, PASSWORD, load::Worker, untested};

use super::{assert_kept, progress};

/// What shifts a program's clock; none, and a line that says so, where it is not installed.
fn libfaketime() -> Option<String> {
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = libraries.map(|entry| entry.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
    if found.is_none() {
        untested("what a clock that jumps does", "libfaketime is not installed (Debian: faketime)");
    }
    found.map(|path| path.display().to_string())
}

/// A while of work, in which nobody had to ask twice.
async fn worked(workers: Vec<Worker>) -> Vec<Worker> {
    let load = Worker::start(workers);
    progress(&load, 25).await;
    let workers = load.stop().await;
    for worker in &workers {
        assert_eq!((worker.ledger().unanswered, worker.ledger().unavailable), (0, 0));
    }
    workers
}

async fn hired(process: &AuthProcess) -> Vec<Worker> {
    worked(Worker::hire(2, process.http()).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_ahead_ends_what_has_expired_and_one_that_is_back_again_ends_nothing_more() {
    let Some(library) = libfaketime() else { return };
    let shifted = |by| [("LD_PRELOAD", library.as_str()), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await;
    let process = program.serve().await;
    program.expect(&["user", "add", "ada", "--role", "reader"], PASSWORD).await;
    let kept = process.client().open_session("ada", PASSWORD).await;
    let idle = process.client().open_session("ada", PASSWORD).await;
    let crew = hired(&process).await;
    process.terminate().await;

    // Three days: keys stay, access tokens have ended, sessions go on.
    let ahead = program.serve_with(&shifted("+3d")).await;
    ahead.http().get("/account").bearer(&kept.access).send().await.assert_invalid_token();
    let kept = ahead.client().next_tokens(&kept.refresh).await;
    let mut crew = worked(crew).await;
    assert_kept(&mut crew, program.home().database()).await;
    ahead.terminate().await;

    // A month: the session has ended, which is said, and the keys have been followed by others.
    let far_ahead = program.serve_with(&shifted("+31d")).await;
    far_ahead.client().refresh(&idle.refresh).await.assert_oauth_error(400, "invalid_grant");
    let late = far_ahead.client().open_session("ada", PASSWORD).await;
    let mut late_crew = hired(&far_ahead).await;
    assert_kept(&mut late_crew, program.home().database()).await;
    far_ahead.terminate().await;

    // Back: whoever was given a token in the future is not thrown out, and new ones are good.
    let back = program.serve().await;
    let client: OAuthClient = back.client().scope("account");
    let now = client.open_session("ada", PASSWORD).await;
    back.http().get("/account").bearer(&now.access).send().await.assert_status(200);
    for refresh in [&kept.refresh, &late.refresh, &now.refresh] {
        back.client().next_tokens(refresh).await;
    }
    for crew in [crew, late_crew] {
        assert_kept(&mut worked(crew).await, program.home().database()).await;
    }
    let plan = program.expect(&["key", "list"], "").await;
    assert_eq!(plan.matches(" active\n").count(), 1, "one key signs:\n{plan}");
    program.expect(&["audit", "seal"], "").await;
    program.expect(&["audit", "verify"], "").await;
}
