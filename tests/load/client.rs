//! A generator of requests: HTTP/1.1 over connections that stay open, one request under way on each.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// The largest answer that is read.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A connection to a service.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, as far as anybody looks at it.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// The value of a header, if there is one of that name, in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = std::str::from_utf8(self.head).ok()?;
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }
}

/// A member of a JSON answer that is a text.
pub(crate) fn member(body: &[u8], name: &str) -> anyhow::Result<String> {
    let body: Value = serde_json::from_slice(body).context("the answer is no JSON")?;
    let text = body[name].as_str().with_context(|| format!("the answer has no `{name}`"))?;
    Ok(text.to_owned())
}

impl Connection {
    /// Connects to a `host:port` of this machine.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("{address} does not answer"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request as it stands, and reads its whole answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (mut end_of_head, mut length) = (None, 0);
        loop {
            if let Some(head) = end_of_head
                && self.buffer.len() >= head + length
            {
                let status = status(&self.buffer).context("the answer is not HTTP/1.1")?;
                return Ok(Answer { status, head: &self.buffer[..head], body: &self.buffer[head..head + length] });
            }
            ensure!(self.buffer.len() < MAX_ANSWER, "the answer is too large");
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was closed before the answer ended");
            }
            if end_of_head.is_none()
                && let Some(at) = find(&self.buffer, b"\r\n\r\n")
            {
                length = content_length(&self.buffer[..at]);
                end_of_head = Some(at + 4);
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// An answer without one has no body here: 204 and 304.
fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let value = lines
        .filter(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .find_map(|line| std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok());
    value.unwrap_or(0)
}

/// Makes the next request of one connection out of the answer before it.
pub(crate) trait Script: Send + 'static {
    /// The next request; none: there is nothing left to ask.
    fn next(&mut self) -> Option<&[u8]>;

    /// Takes note of the answer.
    fn heed(&mut self, answer: &Answer<'_>) -> Heed;

    /// How long to wait before the next request.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }
}

/// What an answer is to a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heed {
    /// What was asked for.
    Expected,
    /// The service is busy, and says so.
    TurnedAway,
    /// A mistake.
    Unexpected,
}

impl Heed {
    /// Whether it has the status that was expected.
    pub(crate) fn status(answer: &Answer<'_>, expected: u16) -> Self {
        if answer.status == expected { Self::Expected } else { Self::Unexpected }
    }
}

/// The same request again and again, which must get this status.
#[derive(Clone)]
pub(crate) struct Same {
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
}

impl Script for Same {
    fn next(&mut self) -> Option<&[u8]> {
        Some(&self.request)
    }

    fn heed(&mut self, answer: &Answer<'_>) -> Heed {
        Heed::status(answer, self.status)
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Answers that count.
    pub(crate) answered: usize,
    pub(crate) unexpected: usize,
    pub(crate) turned_away: usize,
    /// Every request, those while warming up included.
    pub(crate) requests: usize,
    pub(crate) elapsed: Duration,
    /// How long each answer took, in microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

impl Outcome {
    /// Answers per second.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that so many of a hundred answers did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Runs a script on each of several connections for a while. The first fifth of the time is for warming up and not counted.
pub(crate) async fn press<S: Script>(address: &str, scripts: Vec<S>, time: Duration) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let (counted_from, until) = (began + time / 5, began + time);
    let mut running = JoinSet::new();
    for mut script in scripts {
        let mut connection = Connection::open(address).await?;
        running.spawn(async move {
            let mut outcome = Outcome::default();
            while let Some(request) = script.next() {
                let sent = Instant::now();
                if sent >= until {
                    break;
                }
                let answer = connection.call(request).await?;
                let heed = script.heed(&answer);
                let now = Instant::now();
                outcome.requests += 1;
                outcome.unexpected += usize::from(heed == Heed::Unexpected);
                if sent >= counted_from {
                    outcome.turned_away += usize::from(heed == Heed::TurnedAway);
                    outcome.elapsed = now - counted_from;
                    if heed != Heed::TurnedAway {
                        outcome.answered += 1;
                        outcome.latencies.push(u32::try_from((now - sent).as_micros()).unwrap_or(u32::MAX));
                    }
                }
                if !script.pause().is_zero() {
                    tokio::time::sleep(script.pause()).await;
                }
            }
            anyhow::Ok(outcome)
        });
    }
    let mut whole = Outcome::default();
    while let Some(ended) = running.join_next().await {
        let outcome = ended??;
        whole.answered += outcome.answered;
        whole.unexpected += outcome.unexpected;
        whole.turned_away += outcome.turned_away;
        whole.requests += outcome.requests;
        whole.elapsed = whole.elapsed.max(outcome.elapsed);
        whole.latencies.extend(outcome.latencies);
    }
    whole.latencies.sort_unstable();
    ensure!(whole.answered > 0, "there was no answer at all");
    Ok(whole)
}
