//! What a stolen database tells (A.RR-15, A.CA-09): nothing that could be used.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use auth_service::{ClientKind, NewClient};
use secrecy::ExposeSecret;
use tests::{ADMIN_PASSWORD, AuthHome, PASSWORD, Stack, Tokens};

/// Everything that was ever handed out in a test.
async fn live(stack: &Stack) -> Vec<String> {
    stack.user("ada", &["editor"]).await;
    let grants = ["password", "refresh_token", "client_credentials"];
    let new = stack.new_client("app", ClientKind::Confidential, &grants, "documents:read");
    let first = stack.operator().add_client(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    let first = first.expect("it is acceptable").expect("it is confidential").expose_secret().to_owned();
    let second = stack.operator().add_client_secret("app", Duration::from_mins(1)).await.expect("there is room");
    let second = second.expose_secret().to_owned();
    let app = stack.client().basic("app", &first);
    let mut tokens = vec![app.open_session("ada", PASSWORD).await];
    for _ in 0..5 {
        let last: &Tokens = tokens.last().expect("there is one");
        tokens.push(app.next_tokens(&last.refresh).await);
    }
    let repeated = app.next_tokens(&tokens[4].refresh).await;
    let revoked = app.open_session("ada", PASSWORD).await;
    app.revoke(&revoked.refresh).await.assert_status(200);
    app.introspect(&tokens[5].access).await.assert_ok();
    let key = stack.api_key("ada", "documents:read").await;
    let rotated = stack.operator().rotate_api_key(key.rsplit_once('_').expect("an id").0, Duration::from_mins(1)).await;
    let rotated = rotated.expect("there is such a key").expose_secret().to_owned();
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present_key(&rotated).await.assert_ok();
    let batch = app.client_credentials().await.assert_tokens();
    tokens.extend([repeated, revoked]);
    let pairs = tokens.into_iter().flat_map(|tokens| [tokens.access, tokens.refresh]);
    pairs.chain([first, second, key, rotated, exchanged, batch, PASSWORD.to_owned(), ADMIN_PASSWORD.to_owned()]).collect()
}

/// What would give a secret away: itself, and the part of it that is random.
fn traces(secret: &str) -> [&str; 2] {
    let random = secret.rsplit_once('.').map_or(secret, |(_, signature)| signature);
    if random.starts_with("ask_") {
        return [secret, random.rsplit_once('_').map_or(random, |(_, secret)| secret)];
    }
    [secret, random.trim_start_matches("rt_").trim_start_matches("cs_")]
}

/// A.CA-09, A.AK-01
#[tokio::test]
async fn a_rr_15_no_table_holds_a_token_or_a_secret() {
    let stack = Stack::start().await;
    let secrets = live(&stack).await;

    let dump = format!("{:?}", stack.auth_home().database().dump().await);

    for trace in secrets.iter().flat_map(|secret| traces(secret)) {
        assert!(!dump.contains(trace), "`{trace}` is in the database");
        let hexadecimal = trace.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert!(!dump.to_lowercase().contains(&hexadecimal), "`{trace}` is in the database as bytes");
    }
}

#[tokio::test]
async fn a_rr_15_no_file_holds_a_token_or_a_secret() {
    let stack = Stack::builder().embedded().start().await;
    let secrets = live(&stack).await;
    let url = stack.auth_home().database().url().to_owned();
    let file = url.trim_start_matches("sqlite:").split('?').next().expect("a path").to_owned();
    let directory = Path::new(&file).parent().expect("the database is in a directory");

    // The write-ahead log and whatever else lies there, while the service runs and after it.
    let search = |when: &str| {
        let mut searched = 0;
        for entry in fs::read_dir(directory).expect("the directory can be read") {
            let path = entry.expect("an entry").path();
            let content = fs::read(&path).expect("a file can be read");
            for trace in secrets.iter().flat_map(|secret| traces(secret)) {
                let found = content.windows(trace.len()).any(|window| window == trace.as_bytes());
                assert!(!found, "`{trace}` is in {} {when}", path.display());
            }
            searched += content.len();
        }
        assert!(searched > 10_000, "the database is there");
    };
    search("while it runs");
    let homes = stack.stop().await;
    search("after it");
    drop(homes);
}

#[tokio::test]
async fn an_embedded_database_is_for_its_owner_alone() {
    let home = AuthHome::embedded();
    let auth = home.start(|_| {}).await.expect("it starts");
    auth.user("ada", &["editor"]).await;

    let files: Vec<_> = fs::read_dir(home.directory()).expect("a directory").map(|file| file.expect("a file").path()).collect();

    let databases: Vec<_> = files.iter().filter(|file| file.to_string_lossy().contains("test.db")).collect();
    assert!(databases.len() >= 2, "the database and its write-ahead log: {files:?}");
    for file in databases {
        let mode = fs::metadata(file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.display());
    }
}
