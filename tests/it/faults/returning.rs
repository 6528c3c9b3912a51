//! Everybody comes back at once.

use std::time::Duration;

use tests::{AuthHome, PostgresqlServer, Relay, Tokens, Weather};
use tokio::{task::JoinSet, time::sleep};

const CLIENTS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ld_05_everybody_who_refreshes_at_once_after_an_outage_keeps_their_session() {
    let Some(server) = PostgresqlServer::start() else { return };
    let relay = Relay::to([server.port()]).await;
    let home = AuthHome::on(&server, Some(relay.port())).await;
    let auth = home.start(|config| {
        config.rate_limits = Vec::new();
        config.refresh_grace = Duration::from_mins(2);
    });
    let auth = auth.await.expect("it starts");
    auth.user("ada", &["reader"]).await;
    let client = auth.client().scope("account");
    let mut logins = JoinSet::new();
    let mut sessions = Vec::new();
    for number in 0..CLIENTS {
        let client = client.clone();
        logins.spawn(async move { client.open_session("ada", tests::PASSWORD).await });
        // A few at a time: the slots for hashing are the bottleneck, and not what this is about.
        if number % 8 == 7 {
            sessions.extend(std::mem::take(&mut logins).join_all().await);
        }
    }
    sessions.extend(logins.join_all().await);

    relay.set(Weather::Cut);
    let mut clients = JoinSet::new();
    for tokens in sessions {
        let client = client.clone();
        clients.spawn(async move {
            loop {
                match client.refresh_request(&tokens.refresh).try_send().await {
                    Ok(answer) if answer.status() == 503 => {
                        answer.assert_oauth_error(503, "temporarily_unavailable");
                        sleep(Duration::from_millis(200)).await;
                    }
                    Ok(answer) => return Tokens::of(&answer),
                    // More connections than one host may have at once.
                    Err(_) => sleep(Duration::from_millis(200)).await,
                }
            }
        });
    }
    sleep(Duration::from_secs(1)).await;
    relay.set(Weather::Fair);
    let sessions = clients.join_all().await;

    assert_eq!(sessions.len(), CLIENTS, "families lost = 0");
    let living = "SELECT session_id FROM refresh_token WHERE consumed_at IS NULL AND digest IS NOT NULL";
    assert_eq!(home.database().rows(living).await.len(), CLIENTS, "every family has one living link");
    let ended = home.database().rows("SELECT id FROM session WHERE ended_at IS NOT NULL").await;
    assert!(ended.is_empty(), "nobody was logged out");
}
