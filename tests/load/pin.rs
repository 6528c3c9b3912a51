//! Which core runs what.

use std::{path::Path, process::Stdio, thread};

use tokio::process::Command;

/// The core of the measured service.
pub(crate) const SERVICE: usize = 0;
/// The core of the generator and of whatever else has to run.
pub(crate) const GENERATOR: usize = 1;

fn can_pin() -> bool {
    let is_there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join("taskset").is_file()));
    is_there && thread::available_parallelism().is_ok() && cores() > 1
}

fn cores() -> usize {
    // Pinned to one core, this process would see only that one.
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    known.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

/// A command that will run on this core, where that can be told.
pub(crate) fn command(program: &Path, core: usize) -> Command {
    let mut command = if can_pin() {
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// How the cores are shared, in words.
pub(crate) fn describe() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned()));
    let cores = cores();
    let shared = if can_pin() {
        format!("the measured service on core {SERVICE}, the generator on core {GENERATOR}")
    } else {
        "service and generator share all cores".to_owned()
    };
    format!("{}, {cores} cores; {shared}", model.unwrap_or_else(|| "unknown processor".to_owned()))
}
