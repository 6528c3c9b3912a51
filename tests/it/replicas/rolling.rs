//! One after the other is replaced, under load.

use tests::load::{Findings, Worker, audit};

use super::Replicas;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fa_13_a_rolling_restart_loses_no_request() {
    let Some(mut replicas) = Replicas::start().await else { return };
    let load = Worker::start(Worker::hire(6, &replicas.balanced()).await);

    for number in 0..3 {
        let before = load.acknowledged();
        while load.acknowledged() < before + 30 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let process = replicas.processes[number].take().expect("it runs");
        assert!(process.terminate().await, "it ends in good order");
        replicas.processes[number] = Some(replicas.programs[number].serve().await);
    }

    let mut workers = load.stop().await;
    for worker in &workers {
        let ledger = worker.ledger();
        // Nobody asked twice, and nobody had to.
        assert_eq!((ledger.unanswered, ledger.unavailable, &ledger.unexpected[..]), (0, 0, &[][..]));
    }
    assert_eq!(audit(&mut workers, replicas.home.database()).await, Findings::default());
    assert_eq!(replicas.home.database().rows("SELECT id FROM signing_key").await.len(), 1, "nobody made another key");
}
