//! The threads that hash: as many as there are slots, and below everything else the process does.
//!
//! A hash keeps a core busy for many milliseconds. On a thread of ordinary priority it would make a token request that comes
//! meanwhile wait for the scheduler's next turn; these give way at once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use tokio::sync::oneshot;

/// How much below the rest: enough to give way, and still a quarter of a core that others keep busy.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, started when there is something to hash for the first time.
pub(super) struct Workers {
    count: usize,
    jobs: OnceLock<Sender<Job>>,
}

impl Workers {
    /// So many threads.
    pub(super) const fn new(count: usize) -> Self {
        Self { count, jobs: OnceLock::new() }
    }

    /// Runs this on one of the threads.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever asked may have hung up.
            let _ = tell.send(work());
        });
        self.jobs.get_or_init(|| start(self.count)).send(job).expect("the threads wait as long as somebody can ask them");
        told.await.expect("hashing does not panic")
    }
}

fn start(count: usize) -> Sender<Job> {
    let (jobs, queue) = mpsc::channel();
    let queue = Arc::new(Mutex::new(queue));
    for number in 0..count {
        let queue = Arc::clone(&queue);
        let started = thread::Builder::new().name("password-hash".to_owned()).spawn(move || work_off(&queue));
        match started {
            Ok(_) => {}
            Err(error) if number == 0 => panic!("no thread can be started to hash passwords: {error}"),
            Err(error) => {
                tracing::warn!(%error, threads = number, "Passwords are hashed on fewer threads than there are cores");
                break;
            }
        }
    }
    jobs
}

/// Until nobody can ask any more.
fn work_off(queue: &Mutex<Receiver<Job>>) {
    // On Linux a thread has a priority of its own; elsewhere it is the whole process that would be put back.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "Passwords are hashed at ordinary priority");
    }
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // It is reported by the panic hook, and to whoever asked by the absence of an answer.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_takes_no_thread_with_it() {
        let workers = Arc::new(Workers::new(1));
        let panicking = Arc::clone(&workers);
        let panicked = tokio::spawn(async move { panicking.run(|| -> u8 { panic!("for a test") }).await });
        assert!(panicked.await.is_err());
        assert_eq!(workers.run(|| 7).await, 7);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_threads_give_way() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let lowest = 19;
        assert_eq!(Workers::new(1).run(niceness).await, (niceness() + NICENESS).min(lowest));
    }
}
