//! What has ended is forgotten a batch at a time, and what is asked often is found by an index (A.LD-07, in part).

use tests::{AuthHome, PASSWORD, rows, until};

/// The numbers from one to this one, as a table `n(i)`.
fn numbers(last: u32) -> String {
    format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last})")
}

/// Fills the tables with what ended long ago: more than one batch of each, and a session with more links than a batch has.
async fn litter(home: &AuthHome) {
    let database = home.database();
    let user = database.row(r#"SELECT id FROM "user" WHERE canonical = 'ada'"#).await;
    let user: String = user.try_get("", "id").expect("an identifier");
    let session = "session (id, user_id, client_id, resource_id, scope, ip, generation, created_at, last_used_at, expires_at)";
    let link = "refresh_token (session_id, seq, issued_at, expires_at, consumed_at, list_id, place, access_expires_at)";
    for statement in [
        format!("{} INSERT INTO {session} SELECT 'old-' || i, '{user}', 'first-party', 'r', 'account', '::1', 0, 1, 1, 1 FROM n", numbers(350)),
        format!("{} INSERT INTO {link} SELECT 'old-1', i, 1, 1, 1, 'old', i, 1 FROM n", numbers(1500)),
        "INSERT INTO status_list (id, slot, seed, leased, closes_at, expires_at, revision) SELECT 'old', -1, seed, 0, 1, 1, 0 FROM status_list LIMIT 1".to_owned(),
        format!("{} INSERT INTO revoked_status (list_id, place, revoked_at) SELECT 'old', i, 1 FROM n", numbers(25_000)),
        format!("{} INSERT INTO status_block (list_id, block, client_id) SELECT 'old', i, 'first-party' FROM n", numbers(4000)),
        format!("{} INSERT INTO invitation (id, digest, roles, created_at, expires_at) SELECT 'old-' || i, 'old-' || i, '', 1, 1 FROM n", numbers(1200)),
        format!("{} INSERT INTO guessed_name (source, name, at) SELECT 'old', 'old-' || i, 1 FROM n", numbers(2500)),
        format!(
            "{} INSERT INTO login_attempt (key, kind, failures, since, failed_at, pending, pending_until, closed_until, expires_at) \
             SELECT 'old-' || i, 'source', 1, 1, 1, 0, 0, 0, 1 FROM n",
            numbers(2500)
        ),
    ] {
        database.run(&statement, []).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_long_ago_is_forgotten_and_what_lives_is_not() {
    let home = AuthHome::new().await;
    let auth = home.start(|_| {}).await.expect("it starts");
    let issuer = auth.issuer().to_owned();
    auth.user("ada", &["reader"]).await;
    let living = auth.client().open_session("ada", PASSWORD).await;
    auth.stop().await;
    litter(&home).await;
    rows::give_back_the_turn(home.database()).await;

    let auth = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts again");

    for left in [
        "SELECT id FROM session WHERE id LIKE 'old-%'",
        "SELECT seq FROM refresh_token WHERE session_id LIKE 'old-%'",
        "SELECT id FROM status_list WHERE id = 'old'",
        "SELECT place FROM revoked_status WHERE list_id = 'old'",
        "SELECT block FROM status_block WHERE list_id = 'old'",
        "SELECT id FROM invitation",
        "SELECT name FROM guessed_name WHERE source = 'old'",
        "SELECT key FROM login_attempt WHERE key LIKE 'old-%'",
    ] {
        until(&format!("nothing is found by {left}"), async || home.database().rows(left).await.is_empty()).await;
    }
    auth.client().next_tokens(&living.refresh).await;
}

/// What the service asks at every login, refresh and look of the periodic work.
const HOT: [&str; 16] = [
    "SELECT * FROM refresh_token WHERE digest = 'x'",
    "SELECT * FROM refresh_token WHERE session_id = 'x' AND seq = 1",
    "SELECT place FROM refresh_token WHERE session_id IN (SELECT id FROM session WHERE user_id = 'x') AND access_expires_at > 1",
    "SELECT * FROM session WHERE id = 'x'",
    "SELECT * FROM session WHERE user_id = 'x' AND ended_at IS NULL ORDER BY last_used_at DESC LIMIT 100",
    "SELECT id FROM session WHERE expires_at < 1 LIMIT 100",
    r#"SELECT * FROM "user" WHERE canonical = 'x'"#,
    "SELECT role FROM user_role WHERE user_id = 'x'",
    "SELECT * FROM client WHERE id = 'x'",
    "SELECT * FROM client_secret WHERE client_id = 'x'",
    "SELECT * FROM login_attempt WHERE key = 'x'",
    "SELECT COUNT(*) FROM guessed_name WHERE source = 'x' AND at > 1",
    "SELECT place FROM revoked_status WHERE list_id = 'x'",
    "SELECT * FROM audit_event WHERE seq IS NULL ORDER BY id LIMIT 200",
    "SELECT * FROM audit_event WHERE seq > 1 ORDER BY seq LIMIT 1000",
    "SELECT * FROM audit_event WHERE subject = 'x' ORDER BY id DESC LIMIT 50",
];

#[tokio::test]
async fn what_is_asked_often_is_found_by_an_index() {
    let home = AuthHome::new().await;
    home.start(|_| {}).await.expect("it starts").stop().await;
    let database = home.database();
    let is_postgresql = database.url().starts_with("postgres");
    if is_postgresql {
        // Small tables are read whole whatever indices there are; so a scan of one is left only where there is no index.
        let name: String = database.row("SELECT current_database() AS text").await.try_get("", "text").expect("a name");
        database.run(&format!("ALTER DATABASE {name} SET enable_seqscan = off"), []).await;
    }
    let (explain, column, scan) =
        if is_postgresql { ("EXPLAIN", "QUERY PLAN", "Seq Scan") } else { ("EXPLAIN QUERY PLAN", "detail", "SCAN ") };
    for query in HOT {
        let rows = database.rows(&format!("{explain} {query}")).await;
        let plan: Vec<String> = rows.iter().map(|row| row.try_get("", column).expect("a line of the plan")).collect();
        assert!(!plan.iter().any(|line| line.contains(scan)), "{query}\n{}", plan.join("\n"));
    }
}
