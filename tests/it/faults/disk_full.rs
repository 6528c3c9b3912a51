//! The volume of the database is full.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command, sync::Arc, time::Duration};

use tests::{AuthHome, AuthProgram, PASSWORD, PATIENCE, load::Worker, untested};
use tokio::time::{sleep, timeout};

use super::{assert_kept, progress, ready};

/// A small file system in memory, unmounted at the end.
struct Volume(tempfile::TempDir);

impl Volume {
    /// None, and a line that says so, where nothing may be mounted.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let options = "size=16m,mode=777";
        let mounted = as_root("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(directory.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(directory));
        }
        untested("what a full disk does", "no file system can be mounted here, which takes root");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = as_root("umount").arg("-l").arg(self.path()).output();
    }
}

/// A program that takes root, by way of a sudo that asks for nothing where the test is somebody else.
fn as_root(program: &str) -> Command {
    if fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0) {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fa_08_a_full_disk_is_a_503_and_loses_nothing_that_was_acknowledged() {
    let Some(volume) = Volume::mount() else { return };
    let database = volume.path().join("full.db");
    let home = Arc::new(AuthHome::at(&format!("sqlite:{}?mode=rwc", database.display())));
    let program = AuthProgram::living_in(env!("CARGO_BIN_EXE_command-line"), home).setting("AUTH_REFRESH_GRACE", "1m");
    let process = program.serve().await;
    program.expect(&["user", "add", "ada", "--role", "reader"], PASSWORD).await;
    let load = Worker::start(Worker::hire(4, process.http()).await);
    progress(&load, 20).await;

    let filler = volume.path().join("filler");
    // Until nothing fits any more, however much the log of the database grows meanwhile.
    let _ = fs::write(&filler, vec![0; 32 << 20]);
    let refused = async {
        loop {
            let answer = process.client().password("ada", PASSWORD).await;
            if answer.status() != 200 {
                return answer;
            }
        }
    };
    let refused = timeout(PATIENCE, refused).await.expect("what does not fit is refused");
    refused.assert_oauth_error(503, "temporarily_unavailable");
    process.http().get("/health/live").send().await.assert_status(200);
    sleep(Duration::from_secs(1)).await;
    fs::remove_file(&filler).expect("it is there");

    ready(&process).await;
    progress(&load, 40).await;
    let mut workers = load.stop().await;
    assert!(workers.iter().any(|worker| worker.ledger().unavailable > 0), "the full disk was noticed");
    assert_kept(&mut workers, program.home().database()).await;
    let integrity = program.home().database().row("SELECT integrity_check AS text FROM pragma_integrity_check").await;
    assert_eq!(integrity.try_get::<String>("", "text").expect("a text"), "ok");
    // What was acknowledged after the disk was full is on it: a transaction that SQLite ended by itself, and that the driver
    // still counted, once took everything behind it along.
    process.kill().await;
    let process = program.serve().await;
    assert_kept(&mut workers, program.home().database()).await;
    assert!(process.terminate().await, "it ends in good order");
}
