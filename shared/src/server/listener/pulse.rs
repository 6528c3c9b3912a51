//! What a connection is doing, and until when it may.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::{sync::Notify, time::Instant};

use super::{ConnectionLimits, head::Head};

/// The state of one connection: its bytes and requests tell it, its task and the crowd ask it.
#[derive(Debug)]
pub(super) struct Pulse {
    limits: ConnectionLimits,
    beat: Mutex<Beat>,
    /// The connection must make room.
    pub(super) evicted: Notify,
}

#[derive(Debug)]
struct Beat {
    state: State,
    requests: usize,
    is_http2: bool,
    is_evicted: bool,
    head: Head,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing has come yet.
    New(Instant),
    /// A request's head is coming in.
    Head(Instant),
    /// A request is being served.
    Busy,
    /// An answer is made; the client has yet to take all of it.
    Answering(Instant),
    /// An answer was taken; nothing has come since.
    Idle(Instant),
}

/// Why a connection is closed before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Silent,
    SlowHead,
    SlowReader,
    Idle,
    Evicted,
    Stopping,
}

impl Cut {
    /// As a label in the metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::SlowHead => "slow_head",
            Self::SlowReader => "slow_reader",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Stopping => "stopping",
        }
    }
}

impl Pulse {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        let beat =
            Beat { state: State::New(Instant::now()), requests: 0, is_http2: false, is_evicted: false, head: Head::default() };
        Self { limits, beat: Mutex::new(beat), evicted: Notify::new() }
    }

    /// Bytes have come in.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut beat = self.beat();
        if beat.is_http2 {
            // Frames are not requests: a client that only pings is idle.
            return;
        }
        match beat.state {
            State::New(since) => beat.state = State::Head(since),
            State::Idle(_) => {
                beat.head = Head::default();
                beat.state = State::Head(Instant::now());
            }
            State::Head(_) => {}
            State::Busy | State::Answering(_) => return,
        }
        beat.head.feed(bytes);
    }

    /// The connection speaks HTTP/2.
    pub(super) fn is_http2(&self) {
        let mut beat = self.beat();
        beat.is_http2 = true;
        beat.state = State::Idle(Instant::now());
    }

    /// A request begins; returns whether its head can be read in two ways.
    pub(super) fn begin(&self) -> bool {
        let mut beat = self.beat();
        beat.requests += 1;
        beat.state = State::Busy;
        std::mem::take(&mut beat.head).is_ambiguous()
    }

    /// A request ends: its answer is made, or nobody waits for it any more.
    pub(super) fn end(&self) {
        let mut beat = self.beat();
        beat.requests = beat.requests.saturating_sub(1);
        if beat.requests == 0 {
            // HTTP/2 does not say when a client has taken an answer, only when the connection is stuck.
            let now = Instant::now();
            beat.state = if beat.is_http2 { State::Idle(now) } else { State::Answering(now) };
        }
    }

    /// Everything written so far has been taken.
    pub(super) fn flushed(&self) {
        let mut beat = self.beat();
        if let State::Answering(_) = beat.state {
            beat.state = State::Idle(Instant::now());
        }
    }

    /// What it is doing.
    pub(super) fn state(&self) -> State {
        self.beat().state
    }

    /// Since when it could be closed without anybody missing it.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match self.state() {
            State::New(since) | State::Idle(since) => Some(since),
            State::Head(_) | State::Busy | State::Answering(_) => None,
        }
    }

    /// Asks the connection to close if it is still idle when it hears of it.
    pub(super) fn evict(&self) {
        self.beat().is_evicted = true;
        self.evicted.notify_one();
    }

    /// Whether it must be closed, and else when to look again: often enough that no deadline, of whatever it does next, is
    /// missed by much.
    pub(super) fn check(&self, now: Instant) -> Result<Instant, Cut> {
        let beat = self.beat();
        if beat.is_evicted && matches!(beat.state, State::New(_) | State::Idle(_)) {
            return Err(Cut::Evicted);
        }
        let ConnectionLimits { head, idle, answer, .. } = self.limits;
        let soon = now + head.min(idle).min(answer);
        let (deadline, cut) = match beat.state {
            State::New(since) => (since + head, Cut::Silent),
            State::Head(since) => (since + head, Cut::SlowHead),
            State::Answering(since) => (since + answer, Cut::SlowReader),
            State::Idle(since) => (since + idle, Cut::Idle),
            // The edge has deadlines for bodies and handlers.
            State::Busy => return Ok(soon),
        };
        if deadline <= now { Err(cut) } else { Ok(deadline.min(soon)) }
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        // Nothing in here panics half-way.
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> ConnectionLimits {
        ConnectionLimits::default()
    }

    /// What is found if nothing happens for so long.
    fn after(seconds: u64, pulse: &Pulse) -> Result<(), Cut> {
        pulse.check(Instant::now() + Duration::from_secs(seconds)).map(|_| ())
    }

    #[test]
    fn bytes_of_a_head_do_not_extend_its_deadline() {
        let pulse = Pulse::new(limits());
        pulse.received(b"G");
        let State::Head(since) = pulse.state() else { panic!("a head is coming in") };
        pulse.received(b"E");
        assert_eq!(pulse.state(), State::Head(since));
        assert_eq!(after(4, &pulse), Ok(()));
        assert_eq!(after(5, &pulse), Err(Cut::SlowHead));
    }

    #[test]
    fn silence_is_cut_at_the_start_and_later_after_the_idle_time() {
        assert_eq!(after(5, &Pulse::new(limits())), Err(Cut::Silent));

        let pulse = Pulse::new(limits());
        pulse.received(b"GET / HTTP/1.1\r\n\r\n");
        assert!(!pulse.begin());
        assert_eq!(after(600, &pulse), Ok(()), "the edge limits a request in flight");
        pulse.end();
        pulse.flushed();
        assert_eq!(after(59, &pulse), Ok(()));
        assert_eq!(after(60, &pulse), Err(Cut::Idle));
    }

    #[test]
    fn a_second_head_has_its_own_deadline() {
        let pulse = Pulse::new(limits());
        pulse.received(b"GET");
        pulse.begin();
        pulse.end();
        pulse.flushed();
        assert_eq!(after(30, &pulse), Ok(()));
        let look_again = pulse.check(Instant::now()).unwrap();
        assert!(look_again <= Instant::now() + limits().head, "a head may begin at any time");

        pulse.received(b"G");

        assert_eq!(after(5, &pulse), Err(Cut::SlowHead));
    }

    #[test]
    fn an_answer_that_is_not_taken_is_cut() {
        let pulse = Pulse::new(limits());
        pulse.received(b"GET");
        pulse.begin();
        pulse.end();
        assert_eq!(after(29, &pulse), Ok(()));
        assert_eq!(after(30, &pulse), Err(Cut::SlowReader));
    }

    #[test]
    fn http2_frames_without_a_request_do_not_keep_a_connection() {
        let pulse = Pulse::new(limits());
        pulse.received(b"PRI * HTTP/2.0");
        pulse.is_http2();
        let State::Idle(since) = pulse.state() else { panic!("no request yet") };
        pulse.received(b"ping");
        assert_eq!(pulse.state(), State::Idle(since));
        assert_eq!(after(60, &pulse), Err(Cut::Idle));
    }

    #[test]
    fn only_an_idle_connection_makes_room() {
        let pulse = Pulse::new(limits());
        pulse.received(b"GET");
        pulse.evict();
        assert_eq!(after(0, &pulse), Ok(()));
        pulse.begin();
        pulse.end();
        pulse.flushed();
        pulse.evict();
        assert_eq!(after(0, &pulse), Err(Cut::Evicted));
    }

    #[test]
    fn an_ambiguous_head_is_noticed_on_every_request() {
        let pulse = Pulse::new(limits());
        pulse.received(b"GET / HTTP/1.1\nHost: a\r\n\r\n");
        assert!(pulse.begin());
        pulse.end();
        pulse.flushed();
        pulse.received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(!pulse.begin());
    }
}
