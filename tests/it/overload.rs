//! More than the service can do at once: what is too much is told to come back, and the rest goes on.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
};

use auth_service::{ClientKind, HashCost, NewClient};
use futures_util::future::join_all;
use tests::{Answer, AuthHome, AuthProgram, PASSWORD, PATIENCE, Stack, until, wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// How many logins may wait for their turn; keep it in step with `account/password`.
const WAITING: usize = 32;

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What a production server computes for each login.
fn real(config: &mut auth_service::Config) {
    config.hash_cost = HashCost { memory_kib: 19 * 1024, passes: 8, lanes: 1 };
}

/// More logins than can be computed and can wait, all at once; how many were looked at, and how many were told to come back.
#[track_caller]
fn assert_shed(answers: &[Answer]) -> (usize, usize) {
    for answer in answers {
        match answer.status() {
            400 => answer.assert_oauth_error(400, "invalid_grant"),
            _ => answer.assert_oauth_error(503, "temporarily_unavailable"),
        };
        assert_eq!(answer.header("retry-after").is_some(), answer.status() == 503, "{answer}");
        answer.assert_hardened();
    }
    let shed = answers.iter().filter(|answer| answer.status() == 503).count();
    (answers.len() - shed, shed)
}

/// A.LD-09, A.LD-01: what needs no password hash does not stand in the same queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_logins_is_shed_and_everything_else_goes_on() {
    let stack = Stack::builder().auth(real).start().await;
    let new = stack.new_client("batch", ClientKind::Confidential, &["client_credentials"], "documents:read");
    let batch = stack.auth().register(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    stack.user("ada", &["editor"]).await;
    let introspecting = stack.introspecting_client().await;
    let session = stack.client().open_session("ada", PASSWORD).await;
    let many = 64.max(3 * (cores() + WAITING));

    let storm = async { join_all((0..many).map(|number| wrong_login(&stack, number))).await };
    let others = async {
        let mut refresh = session.refresh.clone();
        for _ in 0..10 {
            stack.auth().http().get("/.well-known/jwks.json").send().await.assert_ok();
            batch.client_credentials().await.assert_tokens();
            introspecting.introspect(&session.access).await.assert_ok();
            refresh = stack.client().next_tokens(&refresh).await.refresh;
            stack.auth().http().get("/health/ready").send().await.assert_ok();
        }
    };
    let (answers, ()) = tokio::join!(storm, others);

    let (looked_at, shed) = assert_shed(&answers);
    assert!(shed > 0, "{looked_at} of {many} were looked at");
    assert!(looked_at >= 1, "nobody was served");
    stack.client().password("ada", PASSWORD).await.assert_tokens();
}

async fn wrong_login(stack: &Stack, number: usize) -> Answer {
    stack.client().password(&format!("person{number}"), "wrong").await
}

/// A.LD-01: as many hashes at one time as there are cores, and no more memory than these take.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_logins_has_the_memory_of_as_many_hashes_as_there_are_cores() {
    const MIB: u64 = 1024;
    let program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await.setting("AUTH_LOGIN_THROTTLE", "off");
    let auth = program.serve().await;
    // What the first login makes stays: the storm is compared with what comes after it.
    auth.client().password("nobody", "wrong").await.assert_oauth_error(400, "invalid_grant");
    let before = memory(auth.id(), "VmRSS");

    let mut shed = 0;
    for _ in 0..3 {
        let client = auth.client();
        let many = 64.max(3 * (cores() + WAITING));
        let names: Vec<_> = (0..many).map(|number| format!("person{number}")).collect();
        let answers = join_all(names.iter().map(|name| client.password(name, "wrong"))).await;
        shed += assert_shed(&answers).1;
    }

    assert!(shed > 0, "that was no storm");
    let grown = memory(auth.id(), "VmHWM").saturating_sub(before);
    let permits = u64::try_from(cores()).expect("there are not that many cores");
    assert!(grown <= permits * 19 * MIB + 64 * MIB, "{grown} KiB more, with {permits} permits");
}

/// What the system knows about the memory of a process, in KiB.
#[cfg(target_os = "linux")]
fn memory(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it is running");
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_else(|| panic!("no {what}:\n{status}"))
}

/// A login that nobody waits for any more gives its place back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_give_their_places_back() {
    let home = AuthHome::new().await;
    let auth = home.start(real).await.expect("it starts");
    auth.user("ada", &["editor"]).await;
    let body = "grant_type=password&client_id=first-party&username=nobody&password=wrong";
    let request = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: \
         {}\r\n\r\n{body}",
        body.len()
    );

    for _ in 0..10 {
        join_all((0..WAITING).map(async |_| {
            let mut stream = wire::connect(auth.http()).await;
            stream.write_all(request.as_bytes()).await.expect("it reads");
        }))
        .await;
    }

    // Were each of them still waiting, two seconds would not be enough for one of them.
    until("there is a place for who waits", async || auth.client().password("ada", PASSWORD).await.status() == 200).await;
}

/// A.FA-14: connections beyond what the system gives the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_file_descriptors_goes_on_when_it_has_some_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = AuthProgram::new(with_few_files(directory.path(), 256)).await;
    let auth = program.serve().await;

    let crowd = join_all((0..1000).map(|_| async { wire::connect(auth.http()).await })).await;
    // Whoever is let in is answered; some of those who are not yet make room by being silent for too long.
    let mut first = wire::connect(auth.http()).await;
    drop(crowd);
    let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    first.write_all(live.as_bytes()).await.expect("it is connected");
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, first.read_to_end(&mut answer)).await.expect("it is let in in the end");
    read.expect("it is answered");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));

    for _ in 0..20 {
        auth.http().get("/health/ready").send().await.assert_ok();
    }
    auth.client().password("admin", tests::ADMIN_PASSWORD).await.assert_tokens();
}

/// The program, with no more than so many open files.
fn with_few_files(directory: &Path, files: u32) -> PathBuf {
    let script = directory.join("auth-service");
    let program = env!("CARGO_BIN_EXE_command-line");
    let text = format!("#!/usr/bin/env bash\nulimit -n {files} || exit 1\nexec -a auth-service '{program}' \"$@\"\n");
    fs::write(&script, text).expect("the script can be written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    script
}
