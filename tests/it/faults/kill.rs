//! Killed on the spot, under load, again and again.

use std::{collections::HashSet, env, time::Duration};

use tests::{
    AuthProcess, AuthProgram,
    jwt::Token,
    load::{Findings, Worker, audit},
};
use tokio::time::sleep;

const WORKERS: usize = 6;
const CYCLES: u32 = 10;

async fn published(process: &AuthProcess) -> HashSet<String> {
    let set = process.http().get("/.well-known/jwks.json").send().await.assert_ok();
    let keys = set["keys"].as_array().expect("a key set has keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a key has an identifier").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fa_01_a_fa_02_a_fa_03_a_kill_at_any_moment_loses_nothing_and_logs_nobody_out() {
    // A slow machine comes back within a minute.
    let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await.setting("AUTH_REFRESH_GRACE", "1m");
    let mut process = program.serve().await;
    let mut workers = Worker::hire(WORKERS, process.http()).await;

    for cycle in 0..CYCLES {
        let load = Worker::start(workers);
        // Another moment each time, in the middle of refreshes, logins, new users and a rotation of keys.
        let rotation = program.run(&["key", "rotate", "--now"], "");
        let moment = sleep(Duration::from_millis(100 + u64::from(cycle) * 137 % 400));
        tokio::join!(rotation, moment);
        process.kill().await;
        workers = load.stop().await;
        let signed_by: Vec<String> = workers
            .iter()
            .map(|worker| {
                let header = Token::read(worker.access_token()).header;
                header["kid"].as_str().expect("a token names its key").to_owned()
            })
            .collect();

        process = program.serve().await;

        assert_eq!(audit(&mut workers, program.home().database()).await, Findings::default(), "cycle {cycle}");
        let keys = published(&process).await;
        assert!(signed_by.iter().all(|key| keys.contains(key)), "every key that has signed is published: {signed_by:?}");
        let plan = program.expect(&["key", "list"], "").await;
        assert_eq!(plan.matches(" active\n").count(), 1, "one key signs:\n{plan}");
    }

    let granted: usize = workers.iter().map(|worker| worker.ledger().acknowledged).sum();
    assert!(granted > WORKERS * CYCLES as usize, "{granted} requests in {CYCLES} cycles");
    for worker in &workers {
        assert_eq!(worker.ledger().unexpected, [] as [String; 0]);
        assert!(worker.ledger().unanswered > 0, "the kills were noticed");
    }
    program.expect(&["audit", "seal"], "").await;
    program.expect(&["audit", "verify"], "").await;
    assert_eq!(process.http().get("/health/ready").send().await.assert_ok()["status"], "ready");
}
