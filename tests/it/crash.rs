//! Killed on the spot, under load, again and again: what was acknowledged is there, and nobody is logged out.
//!
//! The clients keep a ledger of what they were told. `CRASH_CYCLES` makes it longer than it is in every run.

use std::{collections::HashSet, env, time::Duration};

use serde_json::Value;
use tests::{AuthProcess, AuthProgram, OAuthClient, PASSWORD, Tokens, jwt::Token};
use tokio::{task::JoinSet, time::sleep};

const CLIENTS: usize = 6;

/// What one client was told, and the session it thinks it has.
struct Ledger {
    tokens: Tokens,
    refreshes: usize,
}

/// Refreshes until the service is gone, and returns what was acknowledged.
async fn refresh_until_gone(client: OAuthClient, mut ledger: Ledger) -> Ledger {
    while let Ok(answer) = client.refresh_request(&ledger.tokens.refresh).try_send().await {
        ledger.tokens = Tokens::of(&answer);
        ledger.refreshes += 1;
    }
    ledger
}

/// Expects that a session goes on with the last token its client was given, whether or not the answer after it was lost.
async fn go_on(process: &AuthProcess, ledger: &mut Ledger) {
    let account = process.http().get("/account").bearer(&ledger.tokens.access).send().await;
    account.assert_status(200);
    ledger.tokens = process.client().next_tokens(&ledger.tokens.refresh).await;
    ledger.refreshes += 1;
}

async fn published(process: &AuthProcess) -> HashSet<String> {
    let set = process.http().get("/.well-known/jwks.json").send().await.assert_ok();
    let keys = set["keys"].as_array().expect("a key set has keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a key has an identifier").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fa_01_a_fa_02_a_fa_03_a_kill_at_any_moment_loses_nothing_and_logs_nobody_out() {
    let cycles = env::var("CRASH_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(5_u32);
    // Long enough for a slow machine to come back within.
    let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await.setting("AUTH_REFRESH_GRACE", "1m");
    let mut process = program.serve().await;
    program.expect(&["user", "add", "ada", "--role", "editor"], PASSWORD).await;
    let client = process.client().scope("account");
    let mut ledgers = Vec::new();
    for _ in 0..CLIENTS {
        ledgers.push(Ledger { tokens: client.open_session("ada", PASSWORD).await, refreshes: 0 });
    }

    for cycle in 0..cycles {
        let mut running = JoinSet::new();
        for ledger in ledgers {
            running.spawn(refresh_until_gone(process.client(), ledger));
        }
        // Another moment each time, in the middle of refreshes and of a rotation of keys.
        let rotation = program.run(&["key", "rotate", "--now"], "");
        let moment = sleep(Duration::from_millis(100 + u64::from(cycle) * 137 % 400));
        tokio::join!(rotation, moment);
        process.kill().await;
        ledgers = running.join_all().await;

        process = program.serve().await;
        for ledger in &mut ledgers {
            go_on(&process, ledger).await;
        }
        let keys = published(&process).await;
        assert!(ledgers.iter().all(|ledger| {
            let header = Token::read(&ledger.tokens.access).header;
            keys.contains(header["kid"].as_str().expect("a token names its key"))
        }));
        let plan = program.expect(&["key", "list"], "").await;
        assert_eq!(plan.matches(" active\n").count(), 1, "one key signs:\n{plan}");
    }

    let database = program.home().database();
    let acknowledged: usize = ledgers.iter().map(|ledger| ledger.refreshes).sum();
    assert!(acknowledged > CLIENTS * cycles as usize, "{acknowledged} refreshes in {cycles} cycles");
    let recorded = database.rows("SELECT id FROM audit_event WHERE action = 'refresh' AND outcome = 'ok'").await.len();
    // The last refresh of each cycle may have been a repeated answer, which is recorded once.
    assert!(recorded + CLIENTS * cycles as usize >= acknowledged, "{recorded} of {acknowledged} refreshes are on record");
    let families = "SELECT session_id FROM refresh_token WHERE consumed_at IS NULL AND digest IS NOT NULL";
    let living = database.rows(families).await;
    let sessions: HashSet<String> = living.iter().map(|row| row.try_get("", "session_id").expect("a session")).collect();
    assert_eq!((living.len(), sessions.len()), (CLIENTS, CLIENTS), "every family has one living link");
    let ended = database.rows("SELECT id FROM session WHERE ended_at IS NOT NULL").await;
    assert!(ended.is_empty(), "nobody was logged out");
    let metadata: Value = process.http().get("/health/ready").send().await.assert_ok();
    assert_eq!(metadata["status"], "ready");
}
