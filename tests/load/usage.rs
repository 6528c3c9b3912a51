//! What a process uses up, as Linux tells it.

use std::time::Duration;

/// What a process has used up so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Time on a processor.
    pub(crate) cpu: Duration,
    /// Memory it holds, in MiB.
    pub(crate) memory: f64,
    /// What of it is its own: the rest is read from the program's file and can be given up at any time.
    pub(crate) own: f64,
}

impl Usage {
    /// What the process of this number has used up.
    pub(crate) fn of(id: Option<u32>) -> Self {
        const TICKS: u64 = 100;
        const PAGE: f64 = 4096.0;
        let Some(id) = id else { return Self::default() };
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        // Behind the name, which may hold spaces and parentheses.
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let statm = read("statm");
        let pages = |at: usize| statm.split_whitespace().nth(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        let (memory, of_files) = (pages(1) * PAGE / 1024.0 / 1024.0, pages(2) * PAGE / 1024.0 / 1024.0);
        let cpu = Duration::from_millis((ticks(11) + ticks(12)) * 1000 / TICKS);
        Self { cpu, memory, own: memory - of_files }
    }
}
