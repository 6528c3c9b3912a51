//! What goes wrong around the services, and what they make of it (A.FA, A.LD-05).
//!
//! Clients keep a ledger of what they were told ([`tests::load`]), which is audited afterwards: what was acknowledged is
//! there, nobody is logged out, no family has two living links. The long form is `load faults` in `tests/load`.

mod clock;
mod disk_full;
mod embedded;
mod frozen;
mod kill;
mod outage;
mod returning;
mod stop;

use tests::{
    AuthProcess,
    load::{Findings, Load, Worker, audit},
    until,
};

/// Waits until so many more requests have been granted.
pub(crate) async fn progress(load: &Load, more: usize) {
    let enough = load.acknowledged() + more;
    until("requests are granted", async || load.acknowledged() >= enough).await;
}

/// Expects that nothing unforeseen came back, and that everything that was acknowledged is there.
pub(crate) async fn assert_kept(workers: &mut [Worker], database: &tests::TestDatabase) {
    for worker in &*workers {
        assert_eq!(worker.ledger().unexpected, [] as [String; 0]);
    }
    assert_eq!(audit(workers, database).await, Findings::default());
}

/// Waits until it says that it is ready.
async fn ready(process: &AuthProcess) {
    until("it recovers by itself", async || {
        process.http().get("/health/ready").try_send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}
