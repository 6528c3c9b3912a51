//! One of three is killed under load.

use std::time::Duration;

use tests::load::{Findings, Worker, audit};
use tokio::time::sleep;

use super::Replicas;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_takes_nothing_with_it() {
    let Some(mut replicas) = Replicas::start().await else { return };
    let mut workers = Worker::hire(6, &replicas.balanced()).await;
    let mut number = 0;

    for cycle in 0_u64..6 {
        let load = Worker::start(workers);
        // Another one and another moment each time.
        number = (number + 1 + usize::try_from(cycle % 2).expect("one bit")) % 3;
        sleep(Duration::from_millis(200 + cycle * 137 % 400)).await;
        replicas.processes[number].take().expect("it runs").kill().await;
        // The two that are left serve everybody: a request that found nobody is simply made again.
        let before = load.acknowledged();
        sleep(Duration::from_millis(500)).await;
        replicas.processes[number] = Some(replicas.programs[number].serve().await);
        assert!(load.acknowledged() > before, "the others went on");
        workers = load.stop().await;

        assert_eq!(audit(&mut workers, replicas.home.database()).await, Findings::default(), "cycle {cycle}");
    }

    for worker in &workers {
        assert_eq!(worker.ledger().unexpected, [] as [String; 0]);
        assert_eq!(worker.ledger().unavailable, 0);
    }
}
