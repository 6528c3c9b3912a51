//! Keeping a connection's deadlines while it is served, and ending it when the service stops.

use std::{pin::Pin, task::Poll, time::Duration};

use futures_util::poll;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{crowd::Seat, pulse::Cut};

/// At shutdown, a quiet connection is kept this long for a request that is already on its way, and then this long again to
/// end in good order.
const GRACE: Duration = Duration::from_millis(300);

/// Watches over a connection while it is served.
pub(super) struct Supervisor<'a> {
    pub(super) seat: &'a Seat,
    pub(super) stopping: watch::Receiver<bool>,
}

/// How far a connection is on its way to its end.
#[derive(Clone, Copy)]
enum Phase {
    Serving,
    /// The service stops; a request that arrives until then is still served.
    Grace(Instant),
    /// The protocol has been told to finish; when it is quiet after this time, it will not do so by itself.
    Finishing(Instant),
}

impl Supervisor<'_> {
    /// Runs `work` until it ends or its connection must be cut; `stop` tells it to finish what it is at, and no more.
    pub(super) async fn watch<F: Future>(&self, work: Pin<&mut F>, stop: impl Fn(Pin<&mut F>)) -> Result<F::Output, Cut> {
        let ended = self.run(work, stop).await;
        if let Err(cut) = &ended {
            self.seat.count_cut(cut.label());
        }
        ended
    }

    async fn run<F: Future>(&self, mut work: Pin<&mut F>, stop: impl Fn(Pin<&mut F>)) -> Result<F::Output, Cut> {
        let pulse = &self.seat.pulse;
        let mut stopping = self.stopping.clone();
        let mut phase = Phase::Serving;
        loop {
            let now = Instant::now();
            let mut wake = match pulse.check(now) {
                Ok(wake) => wake,
                // On a machine that is busy the client may have said long since what it is to be cut for not saying.
                Err(_) => match poll!(work.as_mut()) {
                    Poll::Ready(output) => return Ok(output),
                    Poll::Pending => pulse.check(now)?,
                },
            };
            match phase {
                Phase::Serving => {}
                Phase::Grace(until) if until <= now => {
                    stop(work.as_mut());
                    phase = Phase::Finishing(now + GRACE);
                    wake = wake.min(now + GRACE);
                }
                Phase::Finishing(until) if until <= now => {
                    if pulse.idle_since().is_some() {
                        return Err(Cut::Stopping);
                    }
                }
                Phase::Grace(until) | Phase::Finishing(until) => wake = wake.min(until),
            }
            tokio::select! {
                biased;
                output = work.as_mut() => return Ok(output),
                () = pulse.evicted.notified() => {}
                () = sleep_until(wake) => {}
                _ = stopping.wait_for(|stopping| *stopping), if matches!(phase, Phase::Serving) => {
                    let until = Instant::now() + GRACE;
                    phase = if pulse.idle_since().is_some() {
                        Phase::Grace(until)
                    } else {
                        stop(work.as_mut());
                        Phase::Finishing(until)
                    };
                }
            }
        }
    }
}
