//! A PostgreSQL server of a test's own, to be stopped, frozen and started again.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::{free_address, untested};

/// Who PostgreSQL runs as where the test is root: it refuses to be that.
const USER: &str = "postgres";

/// A running server in a directory of its own, gone at the end. Whoever reaches its port is let in.
pub struct PostgresqlServer {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    options: Vec<String>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Sessions are ended in good order.
    Fast,
    /// As if the power had gone: the next start recovers from the log.
    Immediate,
}

impl PostgresqlServer {
    /// Starts a server that forgets what is not on disk when the machine does, which tests do not wait for; none, and a line
    /// that says so, where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(&["fsync=off"], |_| {})
    }

    /// Starts a server that commits to the disk, as one in production.
    pub fn start_durable() -> Option<Self> {
        Self::start_with(&[], |_| {})
    }

    /// Starts a server with these settings, in a directory that was prepared.
    pub fn start_with(options: &[&str], prepare: impl FnOnce(&Path)) -> Option<Self> {
        let Some(programs) = programs() else {
            untested("what PostgreSQL does when it fails", "it is not installed, and this needs a server of its own");
            return None;
        };
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_address().port();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let server = Self { programs, directory, port, options };
        give_away(server.directory.path());
        let data = server.data();
        done(&server.run("initdb", &["-D", &data, "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "--no-sync"]));
        prepare(Path::new(&data));
        give_away(Path::new(&data));
        server.resume_service();
        Some(server)
    }

    /// The URL of a database on it, of its owner.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Stops it.
    pub fn stop(&self, how: Stop) {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        done(&self.run("pg_ctl", &["-D", &self.data(), "-m", mode, "-w", "stop"]));
    }

    /// Starts it again.
    pub fn resume_service(&self) {
        let mut options =
            format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200", self.port);
        for option in &self.options {
            options.push_str(" -c ");
            options.push_str(option);
        }
        let (data, log) = (self.data(), self.directory.path().join("log").display().to_string());
        done(&self.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "-o", &options, "start"]));
    }

    /// Freezes it and all its processes: connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = fs::read_to_string(Path::new(&self.data()).join("postmaster.pid")).expect("it runs");
        let postmaster = pid.lines().next().expect("its first line is the process").to_owned();
        let mut processes = children(&postmaster);
        processes.push(postmaster);
        // One of them may have ended meanwhile.
        let _ = Command::new("kill").arg(signal).args(processes).output().expect("kill is there");
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // What pg_ctl starts keeps the files it was given, so that a pipe would never end.
        let output = tempfile::tempfile().expect("a temporary file can be made");
        let errors = output.try_clone().expect("a file can be shared");
        command.args(arguments).current_dir("/").stdout(output).stderr(errors);
        let status = command.status().expect("PostgreSQL's programs can be started");
        Output { status, stdout: Vec::new(), stderr: format!("{command:?}").into_bytes() }
    }
}

impl Drop for PostgresqlServer {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.thaw();
            let _ = self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
        }
    }
}

/// Makes everything there PostgreSQL's own, if it runs as somebody else.
fn give_away(path: &Path) {
    if !is_root() {
        return;
    }
    let id = |flag: &str| -> u32 {
        let said = Command::new("id").args([flag, USER]).output().expect("id is there").stdout;
        String::from_utf8_lossy(&said).trim().parse().expect("there is a user for PostgreSQL")
    };
    let (user, group) = (id("-u"), id("-g"));
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        chown(&path, Some(user), Some(group)).expect("root may give a file away");
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).expect("it can be read").map(|entry| entry.expect("it is there").path()));
        }
    }
}

/// Writes a file that only PostgreSQL may read, as it demands of a private key.
pub fn write_private(path: &Path, content: &str) {
    fs::write(path, content).expect("it can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

#[track_caller]
fn done(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// The newest of the versions that are installed, where Debian keeps them.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    versions.into_iter().rev().map(|path| path.join("bin")).find(|path| path.join("initdb").exists())
}

fn children(parent: &str) -> Vec<String> {
    let said = Command::new("ps").args(["-o", "pid=", "--ppid", parent]).output().expect("ps is there").stdout;
    String::from_utf8_lossy(&said).split_whitespace().map(ToOwned::to_owned).collect()
}

pub(crate) fn is_root() -> bool {
    let said = Command::new("id").arg("-u").output().expect("id is there").stdout;
    said.trim_ascii() == b"0"
}
