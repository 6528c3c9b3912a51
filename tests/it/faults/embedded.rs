//! Somebody else holds the embedded database.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use tests::{AuthHome, Tokens, load::Worker};
use tokio::{task::JoinSet, time::sleep};

use super::{assert_kept, progress};

/// How long the writer is held: less than the busy timeout.
const HELD: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fa_07_sixty_four_writers_wait_while_another_program_holds_the_database() {
    let home = AuthHome::embedded();
    let auth = home.start(|config| config.rate_limits = Vec::new()).await.expect("it starts");
    auth.user("ada", &["reader"]).await;
    let client = auth.client().scope("account");
    let mut sessions = Vec::new();
    for _ in 0..64 {
        sessions.push(client.open_session("ada", tests::PASSWORD).await);
    }
    let load = Worker::start(Worker::hire(4, auth.http()).await);
    progress(&load, 20).await;
    let outside = Database::connect(home.database().url()).await.expect("the file is there");
    outside.execute_unprepared("BEGIN EXCLUSIVE").await.expect("nobody holds it longer than a moment");

    let mut writers = JoinSet::new();
    for tokens in sessions {
        let client = client.clone();
        writers.spawn(async move { client.refresh(&tokens.refresh).await });
    }
    sleep(HELD).await;
    outside.execute_unprepared("COMMIT").await.expect("it was held");

    for answer in writers.join_all().await {
        Tokens::of(&answer);
    }
    progress(&load, 20).await;
    let mut workers = load.stop().await;
    for worker in &workers {
        let ledger = worker.ledger();
        assert_eq!((ledger.unanswered, ledger.unavailable), (0, 0), "whoever came meanwhile waited, too");
    }
    assert_kept(&mut workers, home.database()).await;
}
