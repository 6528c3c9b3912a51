//! Follows the issuer's keys: discovered once (RFC 8414), refreshed in the background, kept on disk.
//!
//! A request never waits for a refresh, with two exceptions that are bounded in time and number: the very first one
//! after a start without kept keys, and a token that would be good if the issuer had a key we do not know yet.

mod follow;
mod kept;
mod metadata;
pub(super) mod pace;
mod state;

use std::{fmt, io, ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{error::Elapsed, timeout},
};
use url::Url;

use super::{
    AccessTokenError, KeySet, VerificationKey,
    fetch::{Fetcher, check_connect_to},
};
use follow::Follower;
use state::{Shared, Waiting};

pub use metadata::IssuerMetadata;
pub(super) use metadata::metadata_url;
pub use state::KeysState;

/// How long the issuer's word on its keys counts while it cannot be asked again.
const MAX_STALE: Duration = Duration::from_hours(1);

/// Bounds on how long a key set is used before it is fetched again.
const REFRESH: RangeInclusive<Duration> = Duration::from_secs(15)..=Duration::from_mins(10);

/// How long a request waits for keys at most.
const PATIENCE: Duration = Duration::from_secs(6);

/// When to ask again while there are no keys: by then at least one more attempt was made.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The keys of an issuer, followed in the background for as long as a clone of this exists.
#[derive(Clone)]
pub struct IssuerKeys {
    shared: Arc<Shared>,
    fetcher: Fetcher,
    /// Held only to end with the last clone.
    _task: Arc<Task>,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why an issuer cannot be followed: a mistake in the settings.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// RFC 8414 §2.
    #[error("the issuer must be an http or https URL without query and fragment: {0}")]
    Issuer(String),
    /// Where to connect to is not `host:port`.
    #[error("the issuer cannot be connected to at {0}: it must be `host:port`")]
    ConnectTo(String, #[source] io::Error),
    /// The HTTP client cannot be set up, as when TLS finds no trusted certificates on this system.
    #[error("the HTTP client for the issuer cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// How an issuer is to be followed.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    issuer: String,
    connect_to: Option<String>,
    keep_in: Option<PathBuf>,
    max_stale: Duration,
    refresh: RangeInclusive<Duration>,
}

impl Builder {
    /// Opens connections to this `host:port`, while URLs, `Host` and the name that TLS verifies stay the issuer's.
    pub fn connect_to(mut self, host_and_port: Option<String>) -> Self {
        self.connect_to = host_and_port;
        self
    }

    /// Keeps the last good key set in this directory, for a start while the issuer is away.
    pub fn keep_in(mut self, directory: Option<PathBuf>) -> Self {
        self.keep_in = directory;
        self
    }

    /// How long the last good key set counts while the issuer is away; an hour unless told.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = max_stale;
        self
    }

    /// Bounds on how long a key set is used before it is fetched again, whatever its `max-age`; 15 seconds to 10 minutes
    /// unless told.
    pub fn refresh_within(mut self, bounds: RangeInclusive<Duration>) -> Self {
        self.refresh = bounds;
        self
    }

    /// Starts to follow the issuer on the current runtime. The issuer need not be there yet.
    pub fn start(self) -> Result<IssuerKeys, IssuerError> {
        let url = issuer_url(&self.issuer).ok_or_else(|| IssuerError::Issuer(self.issuer.clone()))?;
        if let Some(text) = &self.connect_to {
            check_connect_to(text).map_err(|error| IssuerError::ConnectTo(text.clone(), error))?;
        }
        let fetcher = Fetcher::new(url.clone(), self.connect_to).map_err(IssuerError::Client)?;
        let shared = Arc::new(Shared::new(self.issuer, self.max_stale));
        let follower = Follower::new(Arc::clone(&shared), fetcher.clone(), url, self.refresh, self.keep_in);
        let task = Arc::new(Task(tokio::spawn(follower.run())));
        Ok(IssuerKeys { shared, fetcher, _task: task })
    }
}

impl IssuerKeys {
    /// Prepares to follow this issuer; the text is compared exactly with its metadata and with the tokens' `iss`.
    pub fn builder(issuer: impl Into<String>) -> Builder {
        Builder { issuer: issuer.into(), connect_to: None, keep_in: None, max_stale: MAX_STALE, refresh: REFRESH }
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        self.shared.issuer()
    }

    /// What the issuer says about itself, once that is known.
    pub fn metadata(&self) -> Option<Arc<IssuerMetadata>> {
        self.shared.metadata()
    }

    /// How it stands, for health and metrics.
    pub fn state(&self) -> KeysState {
        self.shared.state()
    }

    /// Fetches from the issuer's origin.
    pub(super) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Waits, for a bounded time, until there are keys that may be trusted.
    pub(super) async fn wait(&self) -> Result<(), AccessTokenError> {
        self.current().await.map(|_| ())
    }

    /// The keys that may be trusted now.
    pub(super) async fn current(&self) -> Result<Arc<KeySet>, AccessTokenError> {
        if let Some(keys) = self.shared.usable() {
            return Ok(keys);
        }
        if !self.shared.has_tried() {
            Box::pin(self.wait_for(1)).await?;
        }
        self.shared.usable().ok_or(UNAVAILABLE)
    }

    /// A key that the current set lacks. Only for a token that would be good if the issuer had this key: it makes us
    /// ask the issuer, at a bounded rate, and wait for the answer.
    pub(super) async fn find(&self, id: &str) -> Result<Arc<VerificationKey>, AccessTokenError> {
        if self.shared.is_known_absent(id) {
            return Err(AccessTokenError::UnknownKey);
        }
        // A refresh that is under way may have begun before the key was published.
        let succeeded = self.wait_for(self.shared.ask()).await?;
        let found = self.shared.usable().ok_or(UNAVAILABLE)?.shared(id);
        match found {
            Some(key) => Ok(key),
            None if succeeded => {
                self.shared.note_absent(id);
                Err(AccessTokenError::UnknownKey)
            }
            None => Err(UNAVAILABLE),
        }
    }

    /// Waits until this many attempts were made, and says whether the last one succeeded.
    async fn wait_for(&self, attempts: u64) -> Result<bool, AccessTokenError> {
        let Some(Waiting { mut attempts_made, .. }) = self.shared.wait() else { return Err(UNAVAILABLE) };
        let waited = timeout(PATIENCE, attempts_made.wait_for(|made| made.ended >= attempts)).await;
        let made = waited.map_err(|_: Elapsed| UNAVAILABLE)?.map_err(|_| UNAVAILABLE)?;
        Ok(made.last_succeeded)
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("IssuerKeys").field("issuer", &self.issuer()).field("state", &self.state()).finish_non_exhaustive()
    }
}

const UNAVAILABLE: AccessTokenError = AccessTokenError::KeysUnavailable { retry_after: RETRY_AFTER };

fn issuer_url(issuer: &str) -> Option<Url> {
    let url = Url::parse(issuer).ok()?;
    let is_issuer = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_issuer.then_some(url)
}

#[cfg(test)]
mod tests;
