//! PostgreSQL goes away in each of the ways it can: clients are asked to come back, and nobody else notices.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tests::{
    AuthHome, AuthServer, PASSWORD, PostgresqlServer, Relay, ResourceHome, ResourceServer, Stop, Weather, load::Worker, until,
};

use super::{assert_kept, progress};

/// Both services, with a network in between the one that matters and its database.
struct Scene {
    auth: AuthServer,
    resource: ResourceServer,
    home: AuthHome,
    relay: Relay,
    server: Arc<PostgresqlServer>,
    _resource_home: ResourceHome,
}

impl Scene {
    async fn set() -> Option<Self> {
        let server = Arc::new(PostgresqlServer::start()?);
        let relay = Relay::to([server.port()]).await;
        let home = AuthHome::on(&server, Some(relay.port())).await;
        let auth = home.start(|config| {
            config.rate_limits = Vec::new();
            // A lost answer may be asked for again when the outage is over.
            config.refresh_grace = Duration::from_mins(2);
        });
        let auth = auth.await.expect("it starts");
        let resource_home = ResourceHome::embedded();
        let resource = resource_home.start(auth.issuer(), |config| config.id = Some("http://localhost:8081".to_owned()));
        let resource = resource.await.expect("it starts");
        auth.user("ada", &["reader"]).await;
        Some(Self { auth, resource, home, relay, server, _resource_home: resource_home })
    }

    /// What blocks, off the threads that serve.
    async fn at_server(&self, work: impl FnOnce(&PostgresqlServer) + Send + 'static) {
        let server = Arc::clone(&self.server);
        tokio::task::spawn_blocking(move || work(&server)).await.expect("the server does as it is told");
    }

    /// What a verifier makes of a token.
    async fn present(&self, token: &str) -> u16 {
        self.resource.http().get("/me").bearer(token).send().await.status()
    }

    async fn ready(&self) -> u16 {
        self.auth.http().get("/health/ready").send().await.status()
    }

    async fn await_ready(&self, status: u16) {
        until(&format!("it says {status}"), async || self.ready().await == status).await;
    }

    /// Expects that everything is as it has to be while the database is away.
    async fn assert_away(&self, token: &str) {
        self.await_ready(503).await;
        self.auth.http().get("/health/live").send().await.assert_status(200);
        self.auth.http().get("/.well-known/jwks.json").send().await.assert_status(200);
        let client = self.auth.client();
        for refused in [client.password("ada", PASSWORD).await, client.refresh("rt_unknown").await, client.revoke("rt_x").await] {
            refused.assert_oauth_error(503, "temporarily_unavailable");
            assert!(refused.header("retry-after").is_some(), "{refused}");
        }
        let confidential = client.basic("nobody", "no secret").client_credentials().await;
        confidential.assert_oauth_error(503, "temporarily_unavailable");
        let users = self.auth.http().get("/account").bearer(token).send().await;
        assert!([401, 403, 503].contains(&users.status()), "{users}");
        assert_eq!(self.present(token).await, 200, "verifiers go on");
    }
}

/// Breaks the database under load, looks, mends it, and audits.
async fn survives(breaks: impl AsyncFn(&Scene), mends: impl AsyncFn(&Scene)) {
    let Some(scene) = Scene::set().await else { return };
    let token = scene.auth.client().log_in("ada", PASSWORD).await;
    scene.await_ready(200).await;
    until("the verifier has the keys", async || scene.present(&token).await == 200).await;
    let workers = Worker::hire(4, scene.auth.http()).await;
    let load = Worker::start(workers);
    progress(&load, 40).await;

    breaks(&scene).await;
    scene.assert_away(&token).await;
    mends(&scene).await;

    scene.await_ready(200).await;
    progress(&load, 40).await;
    let mut workers = load.stop().await;
    assert!(workers.iter().all(|worker| worker.ledger().unavailable > 0), "everybody was asked to come back");
    assert!(workers.iter().all(|worker| worker.ledger().unanswered == 0), "everybody was answered");
    assert_kept(&mut workers, scene.home.database()).await;
    scene.auth.operator().seal_audit().await.expect("it can be sealed");
    assert_eq!(scene.auth.operator().verify_audit().await.expect("it can be verified"), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_fa_04_a_stopped_postgresql_is_a_503_and_nobody_is_logged_out() {
    survives(
        async |scene| scene.at_server(|server| server.stop(Stop::Fast)).await,
        async |scene| scene.at_server(PostgresqlServer::resume_service).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_fa_06_a_postgresql_that_stops_immediately_has_nothing_half_written() {
    survives(
        async |scene| scene.at_server(|server| server.stop(Stop::Immediate)).await,
        async |scene| scene.at_server(PostgresqlServer::resume_service).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_fa_16_a_frozen_postgresql_is_a_503_and_its_thaw_no_storm() {
    survives(
        async |scene| scene.at_server(PostgresqlServer::freeze).await,
        async |scene| scene.at_server(PostgresqlServer::thaw).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_fa_05_a_crowd_before_a_database_that_hangs_is_sent_away_and_takes_nothing_from_others() {
    let Some(scene) = Scene::set().await else { return };
    scene.await_ready(200).await;
    scene.at_server(PostgresqlServer::freeze).await;

    let crowd = async { join_all((0..64).map(|_| async { scene.auth.client().refresh("rt_unknown").await })).await };
    let others = async {
        for path in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/health/live"].repeat(10) {
            scene.auth.http().get(path).send().await.assert_status(200);
        }
    };
    let (refused, ()) = tokio::join!(crowd, others);
    for answer in refused {
        answer.assert_oauth_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some(), "{answer}");
    }
    scene.at_server(PostgresqlServer::thaw).await;

    scene.await_ready(200).await;
    scene.auth.client().refresh("rt_unknown").await.assert_oauth_error(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_fa_06_cut_connections_are_replaced() {
    survives(async |scene| scene.relay.set(Weather::Cut), async |scene| scene.relay.set(Weather::Fair)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_fa_06_connections_that_carry_nothing_any_more_are_given_up() {
    survives(async |scene| scene.relay.set(Weather::Swallowing), async |scene| scene.relay.set(Weather::Fair)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_fa_06_backends_that_are_killed_in_the_middle_cost_nobody_their_session() {
    let Some(scene) = Scene::set().await else { return };
    let load = Worker::start(Worker::hire(4, scene.auth.http()).await);
    for _ in 0..10 {
        progress(&load, 10).await;
        let others =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL";
        scene.home.database().rows(others).await;
    }
    progress(&load, 40).await;

    let mut workers = load.stop().await;

    assert_kept(&mut workers, scene.home.database()).await;
}
