//! The chain that makes tampering visible: every event's hash covers the one before it, and checkpoints are signed.
//!
//! An event is recorded in the transaction of its change and sealed within seconds. Until then it can be altered without
//! a trace; afterwards an edit, a deletion and another order break the chain. Whoever can write to the database could
//! compute the chain anew, but not a checkpoint: that takes a signing key, and a key that is sealed at rest.

use std::collections::HashMap;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::access_token::VerificationKey;

use super::NameKey;
use crate::{
    secret,
    signing_key::KeyRing,
    store::{
        AuditEvent, Store, StoreError,
        audit_chain::{self, Checkpoint},
        signing_key,
    },
};

/// The `typ` of a signed checkpoint.
const TYPE: &str = "audit-checkpoint+jwt";
/// How many events are sealed in one transaction: nobody waits long for the writer.
const BATCH: u64 = 200;
/// A checkpoint is signed after this many events, or this many seconds after the last one.
const CHECKPOINT_EVENTS: i64 = 1000;
const CHECKPOINT_SECONDS: i64 = 300;
/// How many events are read at a time.
const PAGE: u64 = 1000;
/// After so many findings more of them tell nothing new.
const MAX_FINDINGS: usize = 100;
/// Keeping and purging do not happen to the second.
const SLACK: i64 = 24 * 3600;

/// What a checkpoint says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    iss: String,
    iat: i64,
    /// The number of the last event it covers.
    seq: i64,
    /// The hash of that event.
    hash: String,
}

/// Seals events and signs checkpoints.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) store: Store,
    pub(crate) issuer: String,
    pub(crate) key: NameKey,
}

/// Something that does not fit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// The number of the event.
    pub(crate) event: i64,
    pub(crate) problem: String,
}

/// What came of looking at the whole chain.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Verification {
    /// The first number that is kept.
    pub(crate) first: i64,
    /// The last sealed number.
    pub(crate) last: i64,
    /// How many events were looked at.
    pub(crate) events: u64,
    /// How many are recorded and not sealed yet.
    pub(crate) unsealed: u64,
    /// How many checkpoints hold.
    pub(crate) checkpoints: usize,
    /// Up to which number a checkpoint vouches.
    pub(crate) covered: i64,
    pub(crate) findings: Vec<Finding>,
}

/// The hash of an event at its place: SHA-256, base64url, over a JSON array of the hash before it and every field.
fn link(previous: &str, seq: i64, event: &AuditEvent) -> String {
    let fields = json!([
        previous,
        seq,
        event.id,
        event.at,
        event.action,
        event.outcome,
        event.reason,
        event.actor,
        event.subject,
        event.client_id,
        event.ip,
        event.request_id,
        event.detail,
    ]);
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, fields.to_string().as_bytes()))
}

impl Chain {
    /// Seals what was recorded, and signs a checkpoint when it is time.
    pub(crate) async fn keep_up(&self, ring: &KeyRing, now: i64) -> Result<(), StoreError> {
        while audit_chain::seal(&self.store, BATCH, link).await? == BATCH {
            self.checkpoint(ring, now, CHECKPOINT_EVENTS, CHECKPOINT_SECONDS).await?;
        }
        self.checkpoint(ring, now, CHECKPOINT_EVENTS, CHECKPOINT_SECONDS).await
    }

    /// Seals everything that was recorded, and signs a checkpoint now.
    pub(crate) async fn seal_now(&self, ring: &KeyRing, now: i64) -> Result<(), StoreError> {
        self.keep_up(ring, now).await?;
        self.checkpoint(ring, now, 1, 0).await
    }

    async fn checkpoint(&self, ring: &KeyRing, now: i64, events: i64, seconds: i64) -> Result<(), StoreError> {
        let Some(head) = audit_chain::head(&self.store).await? else { return Ok(()) };
        let (last, made_at) = audit_chain::latest_checkpoint(&self.store).await?.map_or((0, 0), |last| (last.seq, last.made_at));
        if head.seq <= last || (head.seq - last < events && now - made_at < seconds) {
            return Ok(());
        }
        let statement = Statement { iss: self.issuer.clone(), iat: now, seq: head.seq, hash: head.hash.clone() };
        let token = ring.sign(TYPE, &statement);
        let mac = self.key.tag(TYPE, &token);
        audit_chain::keep_checkpoint(&self.store, Checkpoint { seq: head.seq, hash: head.hash, made_at: now, token, mac }).await
    }

    /// Forgets events that were recorded before this instant, from one checkpoint to the next, so that what is left still
    /// hangs on a signed statement.
    pub(crate) async fn forget_before(&self, before: i64) -> Result<u64, StoreError> {
        let (mut forgotten, mut seq) = (0, 0);
        // Whatever a checkpoint covers was recorded before it was made.
        while let Some(checkpoint) = audit_chain::checkpoints_after(&self.store, seq, 1).await?.pop()
            && checkpoint.made_at < before
        {
            forgotten += audit_chain::forget_up_to(&self.store, &checkpoint).await?;
            seq = checkpoint.seq;
        }
        Ok(forgotten)
    }

    /// Looks at every sealed event and every checkpoint; events younger than `kept_since` must be there.
    pub(crate) async fn verify(&self, kept_since: i64) -> Result<Verification, StoreError> {
        let Some(head) = audit_chain::head(&self.store).await? else {
            return Ok(Verification { findings: vec![finding(0, "the end of the chain is missing")], ..Verification::default() });
        };
        let mut report = Verification { last: head.seq, ..Verification::default() };
        let checkpoints = self.good_checkpoints(&mut report).await?;
        let mut hashes: HashMap<i64, Option<String>> = checkpoints.iter().map(|checkpoint| (checkpoint.seq, None)).collect();

        // Without events before it, the oldest checkpoint is what the rest hangs on.
        let oldest = audit_chain::sealed_after(&self.store, 0, 1).await?.first().and_then(|event| event.seq);
        report.first = oldest.unwrap_or(head.seq + 1);
        let anchor = checkpoints.iter().find(|checkpoint| checkpoint.seq == report.first - 1);
        let mut previous = match anchor {
            Some(anchor) if anchor.made_at > kept_since + SLACK => {
                report.note(1, format!("the events up to {} are missing, and it was not yet time to forget them", anchor.seq));
                anchor.hash.clone()
            }
            Some(anchor) => anchor.hash.clone(),
            None if report.first == 1 => String::new(),
            None => {
                report.note(1, format!("the events up to {} are missing, and no checkpoint stands for them", report.first - 1));
                String::new()
            }
        };
        if let Some(anchor) = anchor {
            hashes.insert(anchor.seq, Some(anchor.hash.clone()));
        }
        let mut is_connected = anchor.is_some() || report.first == 1;
        let mut seq = report.first - 1;
        loop {
            let events = audit_chain::sealed_after(&self.store, seq, PAGE).await?;
            let is_last = (events.len() as u64) < PAGE;
            for event in events {
                let number = event.seq.unwrap_or_default();
                if number > head.seq {
                    break;
                }
                if number != seq + 1 {
                    report.note(seq + 1, missing(seq + 1, number - 1));
                    is_connected = false;
                }
                let hash = event.hash.clone().unwrap_or_default();
                if is_connected && link(&previous, number, &event) != hash {
                    report.note(number, "it was changed, or put in another's place".to_owned());
                }
                report.events += 1;
                if let Some(place) = hashes.get_mut(&number) {
                    *place = Some(hash.clone());
                }
                (previous, seq, is_connected) = (hash, number, true);
            }
            if is_last || seq >= head.seq {
                break;
            }
        }
        if seq < head.seq {
            report.note(seq + 1, missing(seq + 1, head.seq));
        } else if report.events > 0 && previous != head.hash {
            report.note(head.seq, "the chain does not end with it".to_owned());
        }
        for checkpoint in &checkpoints {
            if hashes.get(&checkpoint.seq).and_then(Option::as_ref).is_some_and(|hash| *hash != checkpoint.hash) {
                report.note(checkpoint.seq, "a signed checkpoint says that its hash was another".to_owned());
            } else if checkpoint.seq > head.seq {
                report.note(checkpoint.seq, "a signed checkpoint says that it existed, and the chain ends before it".to_owned());
            }
        }
        report.unsealed = audit_chain::count_unsealed(&self.store).await?;
        Ok(report)
    }

    /// The checkpoints that are what they say; what is wrong with the others is noted.
    async fn good_checkpoints(&self, report: &mut Verification) -> Result<Vec<Checkpoint>, StoreError> {
        let rows = signing_key::all(&self.store).await?;
        let jwks = rows.iter().filter_map(|row| serde_json::from_str(&row.public_jwk).ok());
        let keys: Vec<VerificationKey> = jwks.filter_map(|jwk| VerificationKey::from_jwk(&jwk).ok()).collect();
        let mut good = Vec::new();
        let mut read = audit_chain::checkpoints_after(&self.store, 0, PAGE).await?;
        while let Some(last) = read.last().map(|last| last.seq) {
            self.check_checkpoints(read, &keys, &mut good, report);
            read = audit_chain::checkpoints_after(&self.store, last, PAGE).await?;
        }
        report.checkpoints = good.len();
        Ok(good)
    }

    fn check_checkpoints(
        &self,
        checkpoints: Vec<Checkpoint>,
        keys: &[VerificationKey],
        good: &mut Vec<Checkpoint>,
        report: &mut Verification,
    ) {
        for checkpoint in checkpoints {
            let is_ours = secret::is_same_digest(&self.key.tag(TYPE, &checkpoint.token), &checkpoint.mac);
            let payload = keys.iter().find_map(|key| key.open(&checkpoint.token, TYPE).ok());
            let said = payload.and_then(|payload| serde_json::from_slice::<Statement>(&payload).ok());
            let expected = Statement {
                iss: self.issuer.clone(),
                iat: checkpoint.made_at,
                seq: checkpoint.seq,
                hash: checkpoint.hash.clone(),
            };
            if is_ours && said.as_ref() == Some(&expected) {
                report.covered = checkpoint.seq;
                // What is signed has been looked at, and there may be many.
                good.push(Checkpoint { token: String::new(), mac: String::new(), ..checkpoint });
            } else {
                report.note(checkpoint.seq, "the checkpoint at it was not signed by this issuer, or was changed".to_owned());
            }
        }
    }
}

impl Verification {
    /// Whether nothing was tampered with, as far as it is sealed.
    pub(crate) fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    fn note(&mut self, event: i64, problem: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { event, problem });
        }
    }
}

fn finding(event: i64, problem: &str) -> Finding {
    Finding { event, problem: problem.to_owned() }
}

fn missing(from: i64, to: i64) -> String {
    if from == to { "it is missing".to_owned() } else { format!("the events from {from} to {to} are missing") }
}
