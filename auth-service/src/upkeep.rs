//! Periodic work: following the signing keys, announcing the next one, forgetting what has ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use shared::server::{cors::AllowedOrigins, metrics::Metrics};
use tokio::{
    task::{JoinHandle, yield_now},
    time::MissedTickBehavior,
};

use crate::{
    audit::Chain,
    clock,
    http::Metadata,
    seal::Sealer,
    signing_key::{KeyRing, Rotator},
    store::{Store, StoreError, api_key, client, invitation, resource, session, status_list, turn},
    throttle::Throttle,
    token::StatusLists,
};

/// How often the keys are read: a change on one replica is seen by the others within this time.
const FOLLOW: Duration = Duration::from_secs(2);
/// How often it is looked whether something is to be done.
const PURGE: Duration = Duration::from_mins(1);
/// Ended sessions are kept this long, so that a person can see what happened, and a replay is told from an unknown token.
const KEEP_ENDED: i64 = 7 * 24 * 3600;
/// How many rows are forgotten in one transaction, so that nobody waits long for the writer, and no statement takes longer
/// than the database lets it.
const BATCH: u64 = 500;
/// How many revoked places.
const PLACES: i32 = 10_000;
/// How many sessions, each with as many links at the most.
const SESSIONS: u64 = 100;
const LINKS: i32 = 200;

/// What the work is done on.
pub(crate) struct Upkeep {
    pub(crate) store: Store,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) rotator: Rotator,
    pub(crate) lists: StatusLists,
    pub(crate) throttle: Throttle,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) origins: AllowedOrigins,
    /// The origins of the settings, which no client can take away.
    pub(crate) configured_origins: Vec<String>,
    pub(crate) chain: Chain,
    /// How many seconds audit events are kept.
    pub(crate) audit_retention: i64,
    pub(crate) progress: Progress,
}

/// How far the work is.
#[derive(Clone)]
pub(crate) struct Progress {
    /// Everything that was recorded by then is sealed.
    sealed: Arc<AtomicI64>,
}

/// Periodic work that ends when this is dropped.
pub(crate) struct Running(Vec<JoinHandle<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Progress {
    /// Publishes how long ago the audit trail was sealed to its end.
    pub(crate) fn published(metrics: &Metrics) -> Self {
        let sealed = Arc::new(AtomicI64::new(clock::now()));
        let this = Self { sealed: Arc::clone(&sealed) };
        metrics.read(move |snapshot| {
            let lag = clock::now().saturating_sub(sealed.load(Ordering::Relaxed)).max(0);
            let lag = f64::from(i32::try_from(lag).unwrap_or(i32::MAX));
            snapshot.gauge("audit_sealing_lag_seconds", "How long ago the audit trail was sealed to its end", lag)
        });
        this
    }
}

impl Upkeep {
    /// Starts the work.
    pub(crate) fn start(self) -> Running {
        let this = Arc::new(self);
        let (keys, sealing, purging) = (Arc::clone(&this), Arc::clone(&this), this);
        Running(vec![
            tokio::spawn(async move {
                let mut ticks = ticks(FOLLOW.min(keys.rotator.lifecycle.announce / 4));
                loop {
                    ticks.tick().await;
                    keys.follow().await;
                }
            }),
            tokio::spawn(async move {
                let mut ticks = ticks(FOLLOW);
                loop {
                    ticks.tick().await;
                    sealing.seal_audit().await;
                }
            }),
            tokio::spawn(async move {
                let mut ticks = ticks(PURGE);
                loop {
                    ticks.tick().await;
                    purging.purge().await;
                }
            }),
        ])
    }

    /// Takes up what operators have changed: resources and scopes for the metadata, origins for browsers.
    pub(crate) async fn follow_settings(&self) -> Result<(), StoreError> {
        self.metadata.publish(&resource::catalog(&self.store).await?);
        let registered = client::cors_origins(&self.store).await?;
        self.origins.replace(self.configured_origins.iter().cloned().chain(registered));
        Ok(())
    }

    async fn follow(&self) {
        self.lists.follow().await;
        if let Err(error) = self.follow_settings().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "Resources and clients could not be followed");
        }
        let kept_up = self.rotator.keep_up(clock::now()).await;
        let reloaded = self.ring.reload(&self.store, &self.sealer).await;
        for error in [kept_up, reloaded].into_iter().filter_map(Result::err) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "The signing keys could not be followed; the known ones go on"
            );
        }
    }

    async fn seal_audit(&self) {
        let now = clock::now();
        match self.chain.keep_up(&self.ring, now).await {
            Ok(()) => self.progress.sealed.store(now, Ordering::Relaxed),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "Audit events could not be sealed yet"),
        }
    }

    /// Forgets what has ended. Every replica would; one of them has the turn.
    async fn purge(&self) {
        let now = clock::now();
        match turn::take(&self.store, "purge", now, clock::seconds(PURGE)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return complain(&error, "What has ended could not be forgotten"),
        }
        if let Err(error) = self.chain.forget_before(now - self.audit_retention).await {
            complain(&error, "Old audit events could not be forgotten");
        }
        if let Err(error) = self.throttle.purge().await {
            complain(&error, "Old guesses could not be forgotten");
        }
        let ended = now - KEEP_ENDED;
        while is_unfinished("status lists", status_list::purge(&self.store, now, PLACES).await) {
            yield_now().await;
        }
        while is_unfinished("API keys", api_key::purge(&self.store, ended, now, BATCH).await) {
            yield_now().await;
        }
        while is_unfinished("invitations", invitation::purge(&self.store, ended, BATCH).await) {
            yield_now().await;
        }
        while is_unfinished("sessions", session::purge(&self.store, ended, SESSIONS, LINKS).await) {
            yield_now().await;
        }
    }
}

/// Whether another batch is to be forgotten.
fn is_unfinished(what: &str, purged: Result<bool, StoreError>) -> bool {
    purged.unwrap_or_else(|error| {
        complain(&error, &format!("Ended {what} could not be forgotten"));
        false
    })
}

fn complain(error: &StoreError, what: &str) {
    tracing::warn!(error = error as &dyn std::error::Error, "{what}");
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
