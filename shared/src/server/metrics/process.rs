//! What the process takes, by the names that Prometheus' own client libraries give it.

use std::{fmt, fs};

use super::Snapshot;

/// Linux counts in hundredths of a second towards programs, on every architecture there is (`USER_HZ`).
const TICKS: f64 = 100.0;

/// The process, as `/proc` tells of it; where there is none, nothing is told.
pub(super) struct Process {
    /// In seconds since 1970.
    started: Option<f64>,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { started: started() }
    }

    pub(super) fn write(&self, snapshot: &mut Snapshot<'_>) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            snapshot.counter("process_cpu_seconds", "Time that processors worked for it", seconds)?;
        }
        if let Some(bytes) = status("VmRSS:") {
            snapshot.gauge("process_resident_memory_bytes", "Memory it has", bytes * 1024.0)?;
        }
        if let Some(threads) = status("Threads:") {
            snapshot.gauge("process_threads", "Threads it runs", threads)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Reading them opens one.
            let open = u32::try_from(open.count().saturating_sub(1)).unwrap_or(u32::MAX);
            snapshot.gauge("process_open_fds", "Files and sockets it has open", open.into())?;
        }
        if let Some(most) = most_open() {
            snapshot.gauge("process_max_fds", "Files and sockets it may have open", most)?;
        }
        if let Some(started) = self.started {
            snapshot.gauge("process_start_time_seconds", "When it started, since 1970", started)?;
        }
        Ok(())
    }
}

/// A field of `/proc/self/stat` by its number in proc(5), of those behind the program's name.
fn stat(number: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(number - 3)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS)
}

fn started() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + stat(22)? / TICKS)
}

fn status(name: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn most_open() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}
