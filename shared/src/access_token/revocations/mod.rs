//! Follows the issuer's status lists, so that a revoked token is refused here without asking anybody per request.
//!
//! The lists that the issuer names are refreshed in the background. A list we have not met is fetched at once, but only
//! for a token whose signature already holds, and only from the issuer's own origin.

mod follow;
mod state;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tracing::warn;
use url::Url;

use super::{AccessTokenError, IssuerKeys, StatusReference, status_list::VALID};
use follow::Follower;
use state::{Known, Shared};

pub use state::RevocationsState;

/// How old a list may be before the policy decides.
const MAX_STALE: Duration = Duration::from_mins(5);

/// How long a request waits for a list that we have not met: an issuer that is well answers in a fraction of that.
const PATIENCE: Duration = Duration::from_secs(2);

/// When to ask again while a list that is needed is not there.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How many lists may be asked for at a time.
const MAX_ASKED: usize = 64;

/// What to do with a token when we cannot tell whether it was revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StalePolicy {
    /// Accept it: it is short-lived, its signature holds, and the issuer's outage shall not become ours.
    #[default]
    FailOpen,
    /// Refuse it as long as we cannot tell: 503, for the fault is ours.
    FailClosed,
}

/// What is known about revoked tokens.
#[derive(Clone)]
pub struct Revocations(Source);

#[derive(Clone)]
enum Source {
    Local(Arc<Lookup>),
    Following(Arc<Following>),
}

type Lookup = dyn Fn(&StatusReference) -> Option<u8> + Send + Sync;

struct Following {
    shared: Arc<Shared>,
    issuer: Option<Url>,
    policy: StalePolicy,
    asks: mpsc::Sender<String>,
    /// Held only to end with the last clone.
    _tasks: JoinSet<()>,
}

/// How revocations are to be followed.
#[must_use]
pub struct Builder {
    keys: IssuerKeys,
    max_stale: Duration,
    policy: StalePolicy,
    shortest_poll: Duration,
}

impl Builder {
    /// How old a list may be before the policy decides; 5 minutes unless told. It should be well above the lists' `ttl`.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = max_stale;
        self
    }

    /// What to do with a token when its list is older than that, or not there.
    pub fn when_stale(mut self, policy: StalePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The shortest pause between two rounds, whatever the lists' `ttl`; a second unless told.
    pub fn poll_at_most_every(mut self, pause: Duration) -> Self {
        self.shortest_poll = pause;
        self
    }

    /// Starts to follow the lists on the current runtime.
    pub fn start(self) -> Revocations {
        let shared = Arc::new(Shared::new(self.max_stale));
        let (asks, asked) = mpsc::channel(MAX_ASKED);
        let issuer = Url::parse(self.keys.issuer()).ok();
        let follower = Arc::new(Follower::new(Arc::clone(&shared), self.keys, self.shortest_poll));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&follower).poll());
        tasks.spawn(follower.answer(asked));
        Revocations(Source::Following(Arc::new(Following { shared, issuer, policy: self.policy, asks, _tasks: tasks })))
    }
}

impl Revocations {
    /// Prepares to follow the status lists of this issuer.
    pub fn following(keys: &IssuerKeys) -> Builder {
        Builder {
            keys: keys.clone(),
            max_stale: MAX_STALE,
            policy: StalePolicy::default(),
            shortest_poll: Duration::from_secs(1),
        }
    }

    /// Revocations that this process knows itself: the status at a place, or nothing if there is no such place.
    pub fn local(lookup: impl Fn(&StatusReference) -> Option<u8> + Send + Sync + 'static) -> Self {
        Self(Source::Local(Arc::new(lookup)))
    }

    /// How it stands, for health and metrics; nothing to tell if they are local.
    pub fn state(&self) -> Option<RevocationsState> {
        match &self.0 {
            Source::Local(_) => None,
            Source::Following(following) => Some(following.shared.state(following.policy)),
        }
    }

    /// Whether the token at this place still counts. To be asked only about a token that is otherwise good.
    pub(super) async fn check(&self, reference: &StatusReference) -> Result<(), AccessTokenError> {
        let known = match &self.0 {
            Source::Local(lookup) => lookup(reference).map_or(Known::NoPlace, Known::Status),
            Source::Following(following) => following.status(reference).await?,
        };
        match (known, &self.0) {
            (Known::Status(VALID), _) => Ok(()),
            // Suspended and whatever else is not valid either.
            (Known::Status(_), _) => Err(AccessTokenError::Revoked),
            (Known::StaleList | Known::NoList, Source::Following(following)) => following.decide(),
            // The draft: "no statement about the status […] can be made and the Referenced Token MUST be rejected".
            (Known::NoPlace | Known::StaleList | Known::NoList, _) => {
                Err(AccessTokenError::Malformed("its place is beyond its status list"))
            }
        }
    }
}

impl Following {
    async fn status(&self, reference: &StatusReference) -> Result<Known, AccessTokenError> {
        let known = self.shared.status(reference, unix_now());
        // A list that is there but too old is being refreshed anyway, and one that failed just now would fail again.
        if known != Known::NoList || self.shared.failed_lately(&reference.uri) {
            return Ok(known);
        }
        if !self.is_at_issuer(&reference.uri) {
            return Err(AccessTokenError::Malformed("its status list is not at its issuer"));
        }
        Box::pin(self.fetch(&reference.uri)).await;
        Ok(self.shared.status(reference, unix_now()))
    }

    /// Waits until this list has been fetched or could not be; whoever needs the same list waits for the same fetch.
    async fn fetch(&self, uri: &str) {
        let Some(mut changes) = self.shared.wait() else { return };
        if self.shared.ask(uri) && self.asks.try_send(uri.to_owned()).is_err() {
            return self.shared.answered(uri);
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.shared.holds(uri) && !self.shared.failed_lately(uri) {
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// The policy for a token of which nothing is known.
    fn decide(&self) -> Result<(), AccessTokenError> {
        match self.policy {
            StalePolicy::FailClosed => Err(AccessTokenError::RevocationsUnavailable { retry_after: RETRY_AFTER }),
            StalePolicy::FailOpen => {
                if self.shared.count_unchecked() {
                    warn!("Accepting tokens without knowing whether they were revoked: their status lists are not available");
                }
                Ok(())
            }
        }
    }

    fn is_at_issuer(&self, uri: &str) -> bool {
        let issuer = self.issuer.as_ref().map(Url::origin);
        issuer.is_some_and(|origin| Url::parse(uri).is_ok_and(|url| url.origin() == origin))
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Revocations").field(&self.state()).finish()
    }
}

/// Seconds since 1970.
fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

#[cfg(test)]
mod tests;
