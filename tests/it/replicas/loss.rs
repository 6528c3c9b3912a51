//! One of three is killed under load.

use std::time::Duration;

use tests::load::{Findings, Worker, audit};
use tokio::time::sleep;

use super::Replicas;

/// Which of the three, and how long after everybody began: drawn anew each time.
fn victim_and_moment() -> (usize, Duration) {
    let mut drawn = [0; 3];
    aws_lc_rs::rand::fill(&mut drawn).expect("the system's random source answers");
    let [victim, moment @ ..] = drawn;
    (usize::from(victim) % 3, Duration::from_millis(100 + u64::from(u16::from_be_bytes(moment)) % 600))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_takes_nothing_with_it() {
    let Some(mut replicas) = Replicas::start().await else { return };
    let mut workers = Worker::hire(6, &replicas.balanced()).await;

    for cycle in 0..6 {
        let (number, moment) = victim_and_moment();
        let story = format!("cycle {cycle}: replica {number} is killed after {moment:?}");
        // Shown if the test fails.
        eprintln!("{story}");
        let load = Worker::start(workers);
        sleep(moment).await;
        replicas.processes[number].take().expect("it runs").kill().await;
        // The two that are left serve everybody: a request that found nobody is simply made again.
        let before = load.acknowledged();
        sleep(Duration::from_millis(500)).await;
        replicas.processes[number] = Some(replicas.programs[number].serve().await);
        assert!(load.acknowledged() > before, "the others went on; {story}");
        workers = load.stop().await;

        assert_eq!(audit(&mut workers, replicas.home.database()).await, Findings::default(), "{story}");
    }

    for worker in &workers {
        assert_eq!(worker.ledger().unexpected, [] as [String; 0]);
        assert_eq!(worker.ledger().unavailable, 0);
    }
}
