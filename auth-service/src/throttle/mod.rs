//! Slowing down those who guess, without locking anybody out (NIST SP 800-63B-4 §3.2.2).
//!
//! Wrong passwords are counted by account and by network. An account at a client on a network where it has logged in within
//! the last thirty days has a lane of its own, which nobody else can use up: a stranger's guesses close the account to
//! strangers only. Wrong secrets of clients and of API keys are counted by whose they are and from which network. The state is
//! in the database, so that it outlives restarts and is one for all replicas. Names that do not exist are counted like names
//! that do.

mod breadth;
mod lane;
mod source;

use std::{net::IpAddr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use shared::server::metrics::Metrics;

use self::{
    breadth::Breadth,
    lane::{DAY, FAMILIAR, MAX_NAMES, NAMES_WINDOW},
    source::network,
};
use crate::{
    audit::{Event, Origin},
    clock,
    store::{
        Store, StoreError,
        login_attempt::{self, Guess, Kind, Model as Lane},
    },
};

/// How many lanes are forgotten at a time.
const BATCH: u64 = 1000;

/// Counts guesses, and says who has to wait.
#[derive(Clone)]
pub(crate) struct Throttle {
    store: Store,
    /// Makes the names of lanes: the table must not tell who was guessed at, and by whom.
    key: hmac::Key,
    refused: Counter,
    failed: Family<Source, Counter>,
    breadth: Arc<Breadth>,
    is_on: bool,
}

/// Whether an account has logged in lately from where a guess comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: &'static str,
}

const FAMILIAR_SOURCE: Source = Source { source: "familiar" };
const STRANGE_SOURCE: Source = Source { source: "strange" };

/// Why a guess was not checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThrottleError {
    /// There were too many wrong ones.
    #[error("too many attempts have failed; wait before the next one")]
    Throttled {
        /// When the next one will be checked.
        retry_after: Duration,
    },
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A guess at a password that is being checked. It must be told how it ended; otherwise it counts as a failure.
#[must_use]
pub(crate) struct Attempt(Option<Reserved>);

struct Reserved {
    lanes: Vec<(String, Kind)>,
    familiar: (String, Kind),
    source: String,
    name: String,
}

impl Throttle {
    /// A throttle that counts in the database, or one that lets everything through.
    pub(crate) fn new(store: Store, key: hmac::Key, is_on: bool) -> Self {
        Self { store, key, refused: Counter::default(), failed: Family::default(), breadth: Arc::default(), is_on }
    }

    /// Publishes how many guesses were turned away, how many failed, and at how many names.
    pub(crate) fn publish(&self, metrics: &Metrics) {
        for source in [FAMILIAR_SOURCE, STRANGE_SOURCE] {
            drop(self.failed.get_or_create(&source));
        }
        metrics.register(|registry| {
            registry.register("guesses_throttled", "Guesses turned away because they had to wait", self.refused.clone());
            registry.register(
                "guesses_failed",
                "Wrong passwords, by whether the account has logged in lately from that network",
                self.failed.clone(),
            );
        });
        let breadth = Arc::clone(&self.breadth);
        metrics.read(move |snapshot| {
            snapshot.gauge(
                "guessed_names",
                "About how many different names strangers failed at within the last five to ten minutes",
                breadth.estimate(clock::now_in_millis()),
            )
        });
    }

    /// Takes in a guess at a password, before anything is computed for it.
    pub(crate) async fn attempt(&self, username: &str, client_id: &str, origin: &Origin) -> Result<Attempt, ThrottleError> {
        let Some(source) = self.source(origin) else { return Ok(Attempt(None)) };
        let now = clock::now_in_millis();
        let name = self.name(username);
        let familiar = self.key(&["familiar", &name, client_id, &source]);
        let lanes = if self.is_familiar(&familiar, now).await? {
            vec![(familiar.clone(), Kind::Familiar)]
        } else {
            vec![(source.clone(), Kind::Source), (name.clone(), Kind::Account)]
        };
        let waits = login_attempt::change(&self.store, &lanes, None, |lanes, _| {
            let wait = longest_wait(lanes, now);
            if wait == 0 {
                for lane in lanes {
                    lane::reserve(lane, now);
                }
            }
            wait
        });
        self.pass(waits.await?)?;
        Ok(Attempt(Some(Reserved { lanes, familiar: (familiar, Kind::Familiar), source, name })))
    }

    /// The password was right.
    pub(crate) async fn succeeded(&self, attempt: Attempt) -> Result<(), StoreError> {
        let Some(mut reserved) = attempt.0 else { return Ok(()) };
        let now = clock::now_in_millis();
        if !reserved.lanes.contains(&reserved.familiar) {
            reserved.lanes.insert(1, reserved.familiar);
        }
        login_attempt::change(&self.store, &reserved.lanes, None, |lanes, _| {
            for lane in lanes {
                match lane.kind {
                    Kind::Familiar => {
                        lane::release(lane, now);
                        lane::succeed(lane, now);
                    }
                    Kind::Source | Kind::Account | Kind::Secret => lane::release(lane, now),
                }
            }
        })
        .await
    }

    /// The password was wrong, or good for nothing.
    pub(crate) async fn failed(&self, attempt: Attempt) -> Result<(), StoreError> {
        let Some(reserved) = attempt.0 else { return Ok(()) };
        let now = clock::now_in_millis();
        let is_familiar = reserved.lanes.contains(&reserved.familiar);
        let guess = (!is_familiar).then(|| guess(&reserved.source, &reserved.name, now));
        self.failed.get_or_create(if is_familiar { &FAMILIAR_SOURCE } else { &STRANGE_SOURCE }).inc();
        if !is_familiar {
            self.breadth.note(&reserved.name, now);
        }
        login_attempt::change(&self.store, &reserved.lanes, guess, |lanes, names| {
            for lane in lanes.iter_mut() {
                lane::release(lane, now);
                lane::fail(lane, now);
            }
            close_for_names(lanes, names, now);
        })
        .await
    }

    /// The password was not looked at.
    pub(crate) async fn given_back(&self, attempt: Attempt) -> Result<(), StoreError> {
        let Some(reserved) = attempt.0 else { return Ok(()) };
        let now = clock::now_in_millis();
        login_attempt::change(&self.store, &reserved.lanes, None, |lanes, _| {
            for lane in lanes {
                lane::release(lane, now);
            }
        })
        .await
    }

    /// Takes in a request to register: it costs its network as much as a wrong password, whatever comes of it.
    pub(crate) async fn registration(&self, origin: &Origin) -> Result<(), ThrottleError> {
        let Some(source) = self.source(origin) else { return Ok(()) };
        let now = clock::now_in_millis();
        let lanes = [(source, Kind::Source)];
        let waits = login_attempt::change(&self.store, &lanes, None, |lanes, _| {
            let wait = longest_wait(lanes, now);
            if wait == 0 {
                for lane in lanes {
                    lane::fail(lane, now);
                }
            }
            wait
        });
        self.pass(waits.await?)
    }

    /// A network has been told that this name is taken.
    pub(crate) async fn name_was_told(&self, username: &str, origin: &Origin) -> Result<(), StoreError> {
        let Some(source) = self.source(origin) else { return Ok(()) };
        let (now, name) = (clock::now_in_millis(), self.name(username));
        let lanes = [(source.clone(), Kind::Source)];
        let guess = guess(&source, &name, now);
        login_attempt::change(&self.store, &lanes, Some(guess), |lanes, names| close_for_names(lanes, names, now)).await
    }

    /// Whether a secret that this network shows is to be looked at. `kind` says of what it is a secret, `id` of which.
    pub(crate) async fn check_secret(&self, kind: &str, id: &str, origin: &Origin) -> Result<(), ThrottleError> {
        let Some(source) = self.source(origin) else { return Ok(()) };
        let lane = login_attempt::of_secret(&self.store, &self.key(&["secret", kind, id, &source])).await?;
        self.pass(lane.map_or(0, |mut lane| lane::wait(&mut lane, clock::now_in_millis())))
    }

    /// The secret was wrong.
    pub(crate) async fn wrong_secret(&self, kind: &str, id: &str, origin: &Origin) -> Result<(), StoreError> {
        let Some(source) = self.source(origin) else { return Ok(()) };
        let (now, key) = (clock::now_in_millis(), self.key(&["secret", kind, id, &source]));
        login_attempt::change(&self.store, &[(key, Kind::Secret)], None, |lanes, _| {
            for lane in lanes {
                lane::fail(lane, now);
            }
        })
        .await
    }

    /// Forgets the guesses at an account that did not come from its familiar networks; false if there were none.
    pub(crate) async fn forgive(&self, username: &str, user_id: &str, origin: &Origin) -> Result<bool, StoreError> {
        let event = origin.record(Event::GuessesForgiven, Some(user_id), None);
        login_attempt::forget(&self.store, &self.name(username), event).await
    }

    /// Forgets what does not count any more.
    pub(crate) async fn purge(&self) -> Result<(), StoreError> {
        let now = clock::now_in_millis();
        while login_attempt::purge(&self.store, now, now - NAMES_WINDOW, BATCH).await? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn is_familiar(&self, key: &str, now: i64) -> Result<bool, StoreError> {
        let lane = login_attempt::by_key(&self.store, key).await?;
        Ok(lane.and_then(|lane| lane.succeeded_at).is_some_and(|at| now < at + FAMILIAR))
    }

    fn pass(&self, wait: i64) -> Result<(), ThrottleError> {
        if wait == 0 {
            return Ok(());
        }
        self.refused.inc();
        Err(ThrottleError::Throttled { retry_after: Duration::from_millis(wait.min(DAY).unsigned_abs()) })
    }

    /// The lane of the network a request comes from; none if nothing is to be counted.
    fn source(&self, origin: &Origin) -> Option<String> {
        let address: IpAddr = origin.ip().parse().ok().filter(|_| self.is_on)?;
        Some(self.key(&["source", &network(address).to_string()]))
    }

    /// The lane of an account, whether there is one of that name or not.
    fn name(&self, username: &str) -> String {
        self.key(&["account", &username.to_ascii_lowercase()])
    }

    fn key(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        BASE64_URL_SAFE_NO_PAD.encode(context.sign())
    }
}

fn longest_wait(lanes: &mut [Lane], now: i64) -> i64 {
    lanes.iter_mut().map(|lane| lane::wait(lane, now)).max().unwrap_or_default()
}

fn close_for_names(lanes: &mut [Lane], names: u64, now: i64) {
    if names >= MAX_NAMES {
        lanes.iter_mut().filter(|lane| lane.kind == Kind::Source).for_each(|lane| lane::close(lane, now));
    }
}

const fn guess<'a>(source: &'a str, name: &'a str, now: i64) -> Guess<'a> {
    Guess { source, name, at: now, since: now - NAMES_WINDOW }
}
