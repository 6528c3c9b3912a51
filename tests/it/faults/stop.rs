//! Told to stop while requests are under way.

use tests::{AuthProgram, Http, load::Worker};

use super::{assert_kept, progress};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fa_12_what_was_accepted_is_answered_before_a_stop() {
    let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await;
    let mut process = program.serve().await;
    // Every request on a connection of its own: either it is refused by the system, or it is answered.
    let anew = Http::anew_at(process.http().base());
    let mut workers = Worker::hire(8, &anew).await;

    for _ in 0..3 {
        let load = Worker::start(workers);
        progress(&load, 40).await;
        let is_orderly = process.terminate().await;
        workers = load.stop().await;
        assert!(is_orderly, "it ends with 0");
        process = program.serve().await;
        // Nothing is forgiven here: had an answer been lost, the refresh token of that answer would be unknown.
        assert_kept(&mut workers, program.home().database()).await;
    }
}
