//! The task that fetches the issuer's metadata and keys, again and again.

use std::{
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{task::spawn_blocking, time::sleep};
use tracing::{info, warn};
use url::Url;

use super::{
    IssuerMetadata,
    kept::{Disk, Kept},
    metadata::metadata_url,
    pace::{Bucket, after_failure, after_success},
    state::{Held, Shared},
};
use crate::access_token::{
    KeySet, KeySetError,
    fetch::{FetchError, Fetched, Fetcher, Wanted},
};

/// The most bytes a document of the issuer may have.
const LIMIT: usize = 256 * 1024;

/// How long metadata is used before it is fetched again; after a failure it is at once.
const METADATA_LIFETIME: Duration = Duration::from_hours(1);

/// The longest pause between attempts while the keys still count, and while they do not.
const LONGEST_PAUSE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(2));

/// The task that follows one issuer.
pub(super) struct Follower {
    shared: Arc<Shared>,
    fetcher: Fetcher,
    issuer: Url,
    refresh: RangeInclusive<Duration>,
    disk: Option<Arc<Disk>>,
    /// When the metadata was fetched; nothing when it is to be fetched now.
    metadata_from: Option<Instant>,
}

/// Why a refresh failed.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the issuer's metadata cannot be read: {0}")]
    Metadata(serde_json::Error),
    #[error("the metadata is of another issuer, `{0}`")]
    OtherIssuer(String),
    #[error("the issuer's keys cannot be used: {0}")]
    Keys(#[from] KeySetError),
    #[error("the issuer's keys are not UTF-8")]
    Encoding,
    #[error("the issuer says that its keys have not changed, but we have none")]
    NothingToConfirm,
}

impl Follower {
    /// A follower that knows what was kept on disk.
    pub(super) fn new(
        shared: Arc<Shared>,
        fetcher: Fetcher,
        issuer: Url,
        refresh: RangeInclusive<Duration>,
        keep_in: Option<PathBuf>,
    ) -> Self {
        let follower = Self {
            shared,
            fetcher,
            issuer,
            refresh,
            disk: keep_in.map(|directory| Arc::new(Disk::new(directory))),
            metadata_from: None,
        };
        follower.take_from_disk();
        follower
    }

    /// Refreshes for ever: when it is time, and when a token asks for it.
    pub(super) async fn run(mut self) {
        let mut failures = 0_u32;
        let mut asked_for = Bucket::full(Instant::now());
        let mut cached = true;
        loop {
            self.shared.begin();
            let pause = match self.refresh(cached).await {
                Ok(max_age) => {
                    if failures > 0 {
                        info!(issuer = self.shared.issuer(), "The issuer answers again, after {failures} failed attempts");
                    }
                    failures = 0;
                    self.shared.end(None);
                    self.store().await;
                    after_success(max_age, &self.refresh)
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.metadata_from = None;
                    self.report(&error);
                    self.shared.end(Some(error.to_string()));
                    let (usable, unusable) = LONGEST_PAUSE;
                    after_failure(failures, if self.shared.usable().is_some() { usable } else { unusable })
                }
            };
            tokio::select! {
                () = sleep(pause) => cached = true,
                () = self.shared.asked() => {
                    let now = Instant::now();
                    sleep(asked_for.take(now).duration_since(now)).await;
                    cached = false;
                }
            }
        }
    }

    /// One attempt: the metadata if it is time for it, and the keys. Good keys are never given up for a bad answer.
    #[tracing::instrument(target = "trace", name = "jwks refresh", skip_all)]
    async fn refresh(&mut self, cached: bool) -> Result<Option<Duration>, RefreshError> {
        let jwks_uri = self.jwks_uri().await?;
        let held = self.shared.held();
        let etag = held.as_ref().and_then(|held| held.etag.as_deref());
        let wanted =
            Wanted { url: &jwks_uri, media_type: "application/jwk-set+json, application/json", limit: LIMIT, etag, cached };
        match self.fetcher.fetch(wanted).await? {
            Fetched::New { body, etag, max_age } => {
                let keys = KeySet::from_jwks(&body)?;
                let jwks = String::from_utf8(body).map_err(|_| RefreshError::Encoding)?.into();
                self.announce(held.as_deref(), &keys);
                self.shared.hold(Held {
                    keys: Arc::new(keys),
                    jwks,
                    etag,
                    taken: Instant::now(),
                    age_when_taken: Duration::ZERO,
                });
                Ok(max_age)
            }
            Fetched::NotModified { max_age } => {
                let held = held.ok_or(RefreshError::NothingToConfirm)?;
                self.shared.hold(Held {
                    keys: Arc::clone(&held.keys),
                    jwks: Arc::clone(&held.jwks),
                    etag: held.etag.clone(),
                    taken: Instant::now(),
                    age_when_taken: Duration::ZERO,
                });
                Ok(max_age)
            }
        }
    }

    /// Where the keys are: as the metadata said lately, or says now.
    async fn jwks_uri(&mut self) -> Result<Url, RefreshError> {
        let known = self.shared.metadata();
        if let Some(metadata) = &known
            && self.metadata_from.is_some_and(|from| from.elapsed() < METADATA_LIFETIME)
        {
            return Ok(metadata.jwks_uri.clone());
        }
        let metadata = match (self.fetch_metadata().await, known) {
            (Ok(metadata), _) => metadata,
            // Where the keys were is the best guess while the metadata cannot be had.
            (Err(RefreshError::Fetch(error)), Some(known)) => {
                warn!(issuer = self.shared.issuer(), "Could not refresh the issuer's metadata: {error}");
                return Ok(known.jwks_uri.clone());
            }
            (Err(error), _) => return Err(error),
        };
        let jwks_uri = metadata.jwks_uri.clone();
        self.shared.set_metadata(metadata);
        self.metadata_from = Some(Instant::now());
        Ok(jwks_uri)
    }

    async fn fetch_metadata(&self) -> Result<IssuerMetadata, RefreshError> {
        let url = metadata_url(&self.issuer);
        let wanted = Wanted { url: &url, media_type: "application/json", limit: LIMIT, etag: None, cached: true };
        let Fetched::New { body, .. } = self.fetcher.fetch(wanted).await? else {
            return Err(RefreshError::NothingToConfirm);
        };
        let metadata: IssuerMetadata = serde_json::from_slice(&body).map_err(RefreshError::Metadata)?;
        // RFC 8414 §3.3: identical, or it must not be used.
        if metadata.issuer != self.shared.issuer() {
            return Err(RefreshError::OtherIssuer(metadata.issuer));
        }
        Ok(metadata)
    }

    /// Tells the log when the set has changed.
    fn announce(&self, before: Option<&Held>, keys: &KeySet) {
        let same = |held: &Held| held.keys.len() == keys.len() && keys.ids().all(|id| held.keys.get(id).is_some());
        if before.is_some_and(same) {
            return;
        }
        let mut ids: Vec<_> = keys.ids().collect();
        ids.sort_unstable();
        info!(issuer = self.shared.issuer(), "The issuer's keys are: {}", ids.join(", "));
        for (id, reason) in keys.unusable() {
            let id = id.unwrap_or("without an ID").chars().take(64).collect::<String>();
            warn!(issuer = self.shared.issuer(), "Passed over the issuer's key `{}`: {reason}", id.escape_debug());
        }
    }

    fn report(&self, error: &RefreshError) {
        let issuer = self.shared.issuer();
        if self.shared.usable().is_some() {
            warn!(issuer, "Could not refresh the issuer's keys; the last good ones still count: {error}");
        } else {
            warn!(issuer, "There are no issuer's keys to trust; requests are answered 503: {error}");
        }
    }

    /// Writes what we hold to disk.
    async fn store(&self) {
        let (Some(disk), Some(metadata), Some(held)) = (&self.disk, self.shared.metadata(), self.shared.held()) else {
            return;
        };
        let disk = Arc::clone(disk);
        let kept =
            Kept { metadata: IssuerMetadata::clone(&metadata), confirmed: unix_now().as_secs(), jwks: held.jwks.to_string() };
        if let Ok(Err(error)) = spawn_blocking(move || disk.save(&kept)).await {
            warn!("Could not keep the issuer's keys on disk: {error}");
        }
    }

    /// Takes from disk what can be trusted.
    fn take_from_disk(&self) {
        let Some(disk) = &self.disk else { return };
        let kept = match disk.load() {
            Ok(Some(kept)) => kept,
            Ok(None) => return,
            Err(error) => return warn!("Could not read the issuer's keys kept on disk: {error}"),
        };
        if kept.metadata.issuer != self.shared.issuer() {
            return info!("The keys kept on disk are of another issuer, `{}`", kept.metadata.issuer);
        }
        // A time that is yet to come tells nothing about the age.
        let Some(age) = unix_now().checked_sub(Duration::from_secs(kept.confirmed)) else {
            return warn!("The issuer's keys kept on disk bear a time in the future");
        };
        match KeySet::from_jwks(kept.jwks.as_bytes()) {
            Ok(keys) => {
                info!(
                    issuer = self.shared.issuer(),
                    "Took {} keys of the issuer from disk, confirmed {} s ago; they count up to {} s",
                    keys.len(),
                    age.as_secs(),
                    self.shared.max_stale().as_secs()
                );
                self.shared.set_metadata(kept.metadata);
                self.shared.hold(Held {
                    keys: Arc::new(keys),
                    jwks: kept.jwks.into(),
                    etag: None,
                    taken: Instant::now(),
                    age_when_taken: age,
                });
            }
            Err(error) => warn!("The issuer's keys kept on disk cannot be used: {error}"),
        }
    }
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
