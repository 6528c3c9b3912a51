//! How the services stand on PostgreSQL: over TLS, and never waiting for ever or for somebody else.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use shared::database::Database;
use tests::{AuthHome, PASSWORD, PostgresqlServer, write_private};
use tokio::{task::JoinSet, time::sleep};

/// A server that takes connections over TLS only, as `localhost`, and the certificate of its authority as a file beside it.
fn over_tls(directory: &std::path::Path) -> Option<PostgresqlServer> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let name = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = name.signed_by(&key, &authority).expect("a certificate");
    std::fs::write(directory.join("ca.pem"), authority.pem()).expect("it can be written");
    PostgresqlServer::start_with(&["ssl=on", "fsync=off"], |data| {
        write_private(&data.join("server.crt"), &certificate.pem());
        write_private(&data.join("server.key"), &key.serialize_pem());
        write_private(&data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n");
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_known_by_its_certificate_or_not_spoken_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let Some(server) = over_tls(directory.path()) else { return };
    let authority = directory.path().join("ca.pem");
    let url = |host: &str, parameters: &str| server.url("postgres").replace("127.0.0.1", host) + parameters;
    let verified = format!("?sslmode=verify-full&sslrootcert={}", authority.display());

    let home = AuthHome::at(&url("localhost", &verified));
    let auth = home.start(|_| {}).await.expect("the name and the authority are right");
    auth.user("ada", &["reader"]).await;
    auth.client().log_in("ada", PASSWORD).await;
    let sessions = home.database().rows("SELECT pid FROM pg_stat_ssl WHERE ssl").await.len();
    assert!(sessions > 1, "{sessions} sessions are encrypted");

    for (host, parameters) in [
        // Another name than the certificate's.
        ("127.0.0.1", verified.as_str()),
        // An authority that nobody named.
        ("localhost", "?sslmode=verify-full"),
        // In the clear.
        ("localhost", "?sslmode=disable"),
    ] {
        let refused = Database::connect(&url(host, parameters), 1).await;
        assert!(refused.is_err(), "{host}{parameters}");
    }
}

#[tokio::test]
async fn every_connection_gives_up_what_takes_too_long_and_commits_to_the_disk() {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    let Some(server) = PostgresqlServer::start() else { return };
    let database = Database::connect(&server.url("postgres"), 2).await.expect("it answers");
    for (setting, value) in [
        ("statement_timeout", "3s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("synchronous_commit", "on"),
    ] {
        let shown = Statement::from_string(DbBackend::Postgres, format!("SHOW {setting}"));
        let row = database.reader().query_one_raw(shown).await.expect("it answers").expect("one row");
        assert_eq!(row.try_get::<String>("", setting).expect("a text"), value, "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_somebody_holds_keeps_no_other_waiting() {
    let Some(server) = PostgresqlServer::start() else { return };
    let home = AuthHome::at(&server.url("postgres"));
    let auth = home.start(|_| {}).await.expect("it starts");
    let client = auth.client();
    let mut refresh_tokens = Vec::new();
    for username in ["ada", "grace", "mary", "joan"] {
        auth.user(username, &["reader"]).await;
        refresh_tokens.push(client.open_session(username, PASSWORD).await.refresh);
    }
    let of_ada = refresh_tokens.remove(0);

    let hold = r#"
        DO $$ BEGIN
            PERFORM 1 FROM session JOIN "user" ON "user".id = session.user_id WHERE canonical = 'ada' FOR UPDATE;
            PERFORM pg_sleep(1.5);
        END $$
    "#;
    let holding = tokio::spawn(async move { home.database().run(hold, []).await });
    sleep(Duration::from_millis(500)).await;
    let waiting = tokio::spawn(client.refresh_request(&of_ada).send());
    for _ in 0..3 {
        let mut others = JoinSet::new();
        for refresh_token in &refresh_tokens {
            others.spawn(client.refresh_request(refresh_token).send());
        }
        for answer in others.join_all().await {
            assert_eq!(answer.status(), 200, "{answer}");
        }
    }
    assert!(!holding.is_finished() && !waiting.is_finished(), "the others were done while it was held");

    let answer = waiting.await.expect("it does not panic");
    assert_eq!(answer.status(), 200, "{answer}");
    holding.await.expect("it does not panic");
}
