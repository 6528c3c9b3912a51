//! The connection to Redis: made in the background, and made anew whenever it is lost.
//!
//! No request waits for a connection. While there is none, requests are counted in memory, and nobody but the keeper here
//! tries to reach Redis: that is the circuit, and it is open.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::hmac;
use prometheus_client::metrics::gauge::Gauge;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisError, Script, aio::MultiplexedConnection};
use secrecy::ExposeSecret;
use tokio::{sync::Notify, task::JoinHandle, time::sleep};

use super::redis::{add, run};
use crate::server::{metrics::Metrics, settings};

/// So many requests in a row may go without an answer before the connection is given up.
const PATIENCE: u32 = 3;
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a fresh connection may take for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(1);
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Requests that may wait for their turn on the connection.
const QUEUE: usize = 1024;

/// Where Redis or Valkey is, and how to get in.
#[derive(Clone)]
pub struct RedisUrl(Client);

impl RedisUrl {
    /// Reads a URL such as `redis://:password@host:6379/0`, or `rediss://…` for TLS.
    pub fn parse(url: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected a URL such as redis://:password@host:6379/0, or rediss:// for TLS";
        // The crate's own message may repeat the URL, and that holds the password.
        let client = Client::open(url.trim()).map_err(|_| EXPECTED.to_owned())?;
        match client.get_connection_info().addr() {
            // Whoever answers in Redis' place would be given its password.
            ConnectionAddr::TcpTls { insecure: true, .. } => Err("the certificate of Redis is always verified".to_owned()),
            address if address.is_supported() => Ok(Self(client)),
            _ => Err(EXPECTED.to_owned()),
        }
    }

    /// The URL that is given, or that a file holds, if either is.
    pub fn given(url: Option<String>, file: Option<&Path>) -> Result<Option<Self>, String> {
        settings::secret(url, file)?.map(|url| Self::parse(url.expose_secret())).transpose()
    }

    /// What the names of buckets are made with: the same for all replicas, and not in Redis itself.
    pub(super) fn secret(&self) -> hmac::Key {
        let password = self.0.get_connection_info().redis_settings().password().unwrap_or_default();
        hmac::Key::new(hmac::HMAC_SHA256, password.as_bytes())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

/// How to find out whether Redis does what it is there for: it may be connected and yet read-only, or full.
pub(super) struct Probe {
    pub(super) script: Script,
    pub(super) key: String,
}

/// A connection that is there, or being made.
pub(super) struct Link {
    state: Arc<State>,
    keeper: JoinHandle<()>,
}

struct State {
    connection: ArcSwapOption<MultiplexedConnection>,
    failures: AtomicU32,
    lost: Notify,
}

impl Link {
    /// Tries to connect once, and goes on trying in the background.
    pub(super) async fn keep(url: &RedisUrl, probe: Probe, metrics: &Metrics) -> Self {
        let gauge = Gauge::default();
        metrics.register(|registry| {
            let help = "1 while rate limits are counted together with other replicas, 0 while this one counts by itself";
            registry.register("rate_limits_shared", help, gauge.clone());
        });
        let state = State { connection: ArcSwapOption::empty(), failures: AtomicU32::new(0), lost: Notify::new() };
        let state = Arc::new(state);
        let first = connect(&url.0, &probe).await;
        let keeper = keep(Arc::clone(&state), url.0.clone(), probe, gauge, first);
        Self { state, keeper: tokio::spawn(keeper) }
    }

    /// The connection, if there is one now.
    pub(super) fn connection(&self) -> Option<Arc<MultiplexedConnection>> {
        self.state.connection.load_full()
    }

    /// Redis has answered.
    pub(super) fn succeeded(&self) {
        self.state.failures.store(0, Ordering::Relaxed);
    }

    /// Redis has not answered, or not well. Gives the connection up if it is `broken`, or if that goes on.
    pub(super) fn failed<T>(&self, connection: &Arc<MultiplexedConnection>, error: &dyn fmt::Display, broken: bool) -> Option<T> {
        let failures = self.state.failures.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::debug!(%error, failures, "Redis did not count a request");
        if broken || failures >= PATIENCE {
            self.state.give_up(connection);
        }
        None
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl State {
    /// Of all the requests that find a connection broken, one gives it up; a newer one is left alone.
    fn give_up(&self, connection: &Arc<MultiplexedConnection>) {
        let given_up = self.connection.compare_and_swap(connection, None);
        if given_up.as_ref().is_some_and(|given_up| Arc::ptr_eq(given_up, connection)) {
            self.lost.notify_one();
        }
    }
}

/// Sees to it that there is a connection, and says so once when it is lost and once when it is back.
async fn keep(
    state: Arc<State>,
    client: Client,
    probe: Probe,
    gauge: Gauge,
    mut attempt: Result<MultiplexedConnection, RedisError>,
) {
    let mut is_away = false;
    loop {
        match attempt {
            Ok(connection) => {
                state.failures.store(0, Ordering::Relaxed);
                state.connection.store(Some(Arc::new(connection)));
                gauge.set(1);
                if is_away {
                    tracing::info!("Redis is back: rate limits are shared among replicas again");
                }
                state.lost.notified().await;
                gauge.set(0);
                is_away = true;
                tracing::warn!("Redis does not answer: until it does, this replica counts rate limits by itself");
            }
            Err(error) => {
                if !is_away {
                    is_away = true;
                    tracing::warn!(%error, "Redis cannot be reached: until it can, this replica counts rate limits by itself");
                }
                sleep(RETRY_EVERY).await;
            }
        }
        attempt = connect(&client, &probe).await;
    }
}

/// Makes a connection, and counts something on it.
async fn connect(client: &Client, probe: &Probe) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(FIRST_ANSWER))
        .set_pipeline_buffer_size(QUEUE);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut call = probe.script.prepare_invoke();
    add(&mut call, &probe.key, Duration::from_millis(1), 1);
    run(&call, connection.clone()).await?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_a_bad_one_is_not_repeated() {
        for good in ["redis://localhost", "redis://:s3cret@cache:6379/2", "rediss://user:s3cret@cache.example:6380"] {
            assert!(RedisUrl::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "cache:6379", "http://cache", "redis://:s3cret@cache:x", "rediss://:s3cret@cache#insecure"] {
            let refusal = RedisUrl::parse(bad).err();
            assert!(refusal.as_ref().is_some_and(|text| !text.contains("s3cret")), "{bad}: {refusal:?}");
        }
    }
}
