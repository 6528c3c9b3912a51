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

#[cfg(test)]
mod tests {
    use std::{future::pending, net::Ipv4Addr, pin::pin};

    use super::*;
    use crate::server::{
        listener::{ConnectionLimits, crowd::Crowd},
        metrics::Connections,
    };

    /// A connection that has had all the time it may have before anybody looks at it.
    fn overdue() -> (Seat, watch::Receiver<bool>) {
        let limits = ConnectionLimits { head: Duration::ZERO, ..ConnectionLimits::default() };
        let seat = Crowd::new(limits, Vec::new(), Connections::default()).admit(Ipv4Addr::LOCALHOST.into());
        (seat.unwrap_or_else(|_| panic!("there is room")), watch::channel(false).1)
    }

    #[tokio::test]
    async fn what_was_said_in_time_is_heard_however_late() {
        let (seat, stopping) = overdue();
        let supervisor = Supervisor { seat: &seat, stopping };
        let work = async {
            seat.pulse.received(b"GET / HTTP/1.1\r\n\r\n");
            seat.pulse.begin();
            tokio::task::yield_now().await;
            "served"
        };

        assert_eq!(supervisor.watch(pin!(work), |_| {}).await, Ok("served"));
    }

    #[tokio::test]
    async fn silence_is_cut() {
        let (seat, stopping) = overdue();
        let supervisor = Supervisor { seat: &seat, stopping };

        assert_eq!(supervisor.watch(pin!(pending::<()>()), |_| {}).await, Err(Cut::Silent));
    }
}
