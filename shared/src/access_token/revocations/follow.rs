//! The tasks that fetch the issuer's status lists: all of them in rounds, and at once one that is needed now.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};
use tracing::{debug, info, warn};
use url::Url;

use super::{
    state::{Held, Shared},
    unix_now,
};
use crate::access_token::{
    AccessTokenError, IssuerKeys, LEEWAY,
    compact::Compact,
    fetch::{FetchError, Fetched, Wanted},
    issuer_keys::pace::{after_failure, after_success},
    status_list::{
        STATUS_LIST_MEDIA_TYPE, STATUS_LIST_TOKEN_TYPE, StatusList, StatusListAggregation, StatusListClaims, StatusListError,
    },
    strict_json::Members,
};

/// The most bytes the list of lists may have, and a list.
const LIMITS: (usize, usize) = (256 * 1024, 2 * 1024 * 1024);

/// The most bytes a list may have when it is decompressed: eight million places of one bit.
const LONGEST_LIST: usize = 1024 * 1024;

/// The longest pause between two rounds, and the pause while no list says how long it keeps.
const LONGEST_POLL: Duration = Duration::from_mins(1);

/// The longest pause between two rounds while they fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How soon a list is asked for whose issuer does not say how long it keeps.
const DEFAULT_TTL: Duration = Duration::from_secs(30);

/// How many lists are fetched at a time.
const CONCURRENCY: usize = 4;

/// Follows the lists of one issuer.
pub(super) struct Follower {
    shared: Arc<Shared>,
    keys: IssuerKeys,
    shortest_poll: Duration,
    /// Told of a list that was fetched between two rounds: it may be due before the next one would begin.
    met: Notify,
}

/// Why a list, or the list of lists, could not be had.
#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("`{0}` is not a URL")]
    Url(String),
    #[error("the issuer's list of status lists cannot be read: {0}")]
    Aggregation(serde_json::Error),
    #[error("it is no text")]
    Encoding,
    #[error("its signature or header is not acceptable ({})", .0.code())]
    Token(AccessTokenError),
    #[error("its claims cannot be read")]
    Claims,
    #[error("it is a list of something else, or of somebody else")]
    Subject,
    #[error("it is out of date, or from the future")]
    Time,
    #[error(transparent)]
    List(#[from] StatusListError),
    #[error("the issuer says that it has not changed, but we have none")]
    NothingToConfirm,
}

impl Follower {
    /// A follower that fetches from the issuer these keys belong to.
    pub(super) fn new(shared: Arc<Shared>, keys: IssuerKeys, shortest_poll: Duration) -> Self {
        Self { shared, keys, shortest_poll, met: Notify::new() }
    }

    /// Refreshes all live lists for ever.
    pub(super) async fn poll(self: Arc<Self>) {
        let mut failures = 0_u32;
        loop {
            // Without metadata there is nothing to follow yet, and nothing to complain about: the keys' follower does.
            if self.keys.metadata().is_some() {
                let outcome = self.round().await;
                self.report(failures, &outcome);
                failures = if outcome.is_ok() { 0 } else { failures.saturating_add(1) };
                self.shared.end(outcome.err().map(|error| error.to_string()));
            }
            self.rest(failures).await;
        }
    }

    /// Waits until the next round is due.
    async fn rest(&self, failures: u32) {
        let mut end = Instant::now() + self.pause(failures);
        loop {
            tokio::select! {
                () = sleep(end.saturating_duration_since(Instant::now())) => return,
                () = self.met.notified() => end = end.min(Instant::now() + self.pause(failures)),
            }
        }
    }

    /// Fetches lists that requests ask for.
    pub(super) async fn answer(self: Arc<Self>, asked: mpsc::Receiver<String>) {
        let asked = stream::unfold(asked, async |mut asked| asked.recv().await.map(|uri| (uri, asked)));
        asked
            .for_each_concurrent(CONCURRENCY, async |uri| {
                if !self.shared.holds(&uri) {
                    match self.refresh(&uri).await {
                        Ok(()) => self.met.notify_one(),
                        Err(error) => {
                            warn!(issuer = self.keys.issuer(), "Could not fetch a status list that a token names: {error}");
                        }
                    }
                }
                self.shared.answered(&uri);
            })
            .await;
    }

    /// One round: which lists are live, and those of them that are due.
    async fn round(&self) -> Result<(), ListError> {
        let named = self.named().await?;
        if let Some(named) = &named {
            self.shared.retain(|uri| named.contains(uri));
        }
        let soon = Instant::now() + self.shortest_poll;
        let (mut due, mut held) = (Vec::new(), HashSet::new());
        for (uri, at) in self.shared.due() {
            if at <= soon {
                due.push(uri.clone());
            }
            held.insert(uri);
        }
        due.extend(named.into_iter().flatten().filter(|uri| !held.contains(uri)));
        let outcomes: Vec<_> =
            stream::iter(due).map(async |uri| self.refresh(&uri).await).buffer_unordered(CONCURRENCY).collect().await;
        // One bad list is no reason to give up the others.
        outcomes.into_iter().collect()
    }

    /// The live lists, if the issuer says which they are.
    async fn named(&self) -> Result<Option<HashSet<String>>, ListError> {
        let Some(url) = self.keys.metadata().and_then(|metadata| metadata.status_list_aggregation_endpoint.clone()) else {
            return Ok(None);
        };
        let wanted = Wanted { url: &url, media_type: "application/json", limit: LIMITS.0, etag: None, cached: true };
        let Fetched::New { body, .. } = self.keys.fetcher().fetch(wanted).await? else {
            return Err(ListError::NothingToConfirm);
        };
        let aggregation: StatusListAggregation = serde_json::from_slice(&body).map_err(ListError::Aggregation)?;
        Ok(Some(aggregation.status_lists.into_iter().collect()))
    }

    /// Fetches one list and verifies it; whatever is wrong with the new one, the old one stays until it is too old.
    async fn refresh(&self, uri: &str) -> Result<(), ListError> {
        self.fetch(uri).await.map(|held| self.shared.hold(uri, held)).inspect_err(|_| self.shared.fail(uri))
    }

    async fn fetch(&self, uri: &str) -> Result<Held, ListError> {
        let url = Url::parse(uri).map_err(|_| ListError::Url(uri.chars().take(200).collect()))?;
        let before = self.shared.get(uri);
        // A list that ends soon has to be replaced, not confirmed.
        let lasts = |held: &Held| held.expires.is_none_or(|expires| expires > unix_now() + LEEWAY.as_secs().cast_signed());
        let etag = before.as_ref().filter(|held| lasts(held)).and_then(|held| held.etag.as_deref());
        let wanted = Wanted { url: &url, media_type: STATUS_LIST_MEDIA_TYPE, limit: LIMITS.1, etag, cached: true };
        match self.keys.fetcher().fetch(wanted).await? {
            Fetched::New { body, etag, .. } => {
                let token = str::from_utf8(&body).map_err(|_| ListError::Encoding)?;
                let claims = self.verify(uri, token.trim_ascii_end()).await?;
                if before.is_some_and(|held| claims.iat < held.issued) {
                    return Err(ListError::Time);
                }
                let list = StatusList::from_lst(claims.status_list.bits, &claims.status_list.lst, LONGEST_LIST)?;
                Ok(Held {
                    list: Arc::new(list),
                    etag,
                    confirmed: Instant::now(),
                    // Asked for again in time, whatever the issuer says.
                    ttl: claims.ttl.map_or(DEFAULT_TTL, Duration::from_secs).min(self.shared.max_stale() / 2),
                    issued: claims.iat,
                    expires: claims.exp,
                })
            }
            Fetched::NotModified { .. } => {
                let before = before.ok_or(ListError::NothingToConfirm)?;
                Ok(Held {
                    list: Arc::clone(&before.list),
                    etag: before.etag.clone(),
                    confirmed: Instant::now(),
                    ttl: before.ttl,
                    issued: before.issued,
                    expires: before.expires,
                })
            }
        }
    }

    /// The draft's "Validation Rules", steps 3 and 4.
    async fn verify(&self, uri: &str, token: &str) -> Result<StatusListClaims, ListError> {
        let compact = Compact::parse(token, STATUS_LIST_TOKEN_TYPE).map_err(ListError::Token)?;
        let keys = self.keys.current().await.map_err(ListError::Token)?;
        let key = match keys.shared(&compact.key_id) {
            Some(key) => key,
            None => self.keys.find(&compact.key_id).await.map_err(ListError::Token)?,
        };
        compact.verify(&key).map_err(ListError::Token)?;
        Members::read(&compact.payload).map_err(|_| ListError::Claims)?;
        let claims: StatusListClaims = serde_json::from_slice(&compact.payload).map_err(|_| ListError::Claims)?;
        if claims.sub != uri || claims.iss.as_ref().is_some_and(|issuer| issuer != self.keys.issuer()) {
            return Err(ListError::Subject);
        }
        let (now, leeway) = (unix_now(), LEEWAY.as_secs().cast_signed());
        if claims.iat > now + leeway || claims.exp.is_some_and(|expires| expires <= now) {
            return Err(ListError::Time);
        }
        Ok(claims)
    }

    /// Until the first list is due, within bounds.
    fn pause(&self, failures: u32) -> Duration {
        let bounds = self.shortest_poll..=LONGEST_POLL.max(self.shortest_poll);
        if failures > 0 {
            return after_failure(failures, LONGEST_PAUSE).max(self.shortest_poll);
        }
        if self.keys.metadata().is_none() {
            return self.shortest_poll;
        }
        let first = self.shared.due().into_iter().map(|(_, at)| at).min();
        after_success(Some(first.map_or(DEFAULT_TTL, |at| at.saturating_duration_since(Instant::now()))), &bounds)
    }

    /// Tells the log when things turn bad, and when they are well again.
    fn report(&self, failures: u32, outcome: &Result<(), ListError>) {
        let issuer = self.keys.issuer();
        match outcome {
            Ok(()) if failures > 0 => info!(issuer, "The issuer's status lists are refreshed again"),
            Ok(()) => {}
            Err(error) if failures == 0 => warn!(issuer, "Could not refresh the issuer's status lists: {error}"),
            Err(error) => debug!(issuer, "Could not refresh the issuer's status lists: {error}"),
        }
    }
}
