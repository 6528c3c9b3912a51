//! Looking things up in the audit trail.

use serde::Serialize;

pub(crate) use crate::store::audit_event::Filter;
use crate::{
    clock,
    store::{AuditEvent, Store, StoreError, audit_event},
};

/// The audit trail, to be read.
#[derive(Clone)]
pub(crate) struct AuditLog {
    pub(crate) store: Store,
}

/// An event as it is shown and exported: one line of JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) action: String,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) detail: Option<String>,
    /// Its number in the chain, once it is sealed.
    pub(crate) number: Option<i64>,
    pub(crate) hash: Option<String>,
}

impl AuditLog {
    /// The newest events that match, before the one of this identifier if one is given.
    pub(crate) async fn search(&self, filter: &Filter, before: Option<&str>, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        let events = audit_event::search(&self.store, filter, before, limit.into()).await?;
        Ok(events.into_iter().map(Recorded::from).collect())
    }
}

impl Recorded {
    /// A line of JSON, its end included.
    pub(crate) fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("texts and numbers are plain JSON");
        line.push('\n');
        line
    }
}

impl From<AuditEvent> for Recorded {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id,
            at: clock::rfc3339(event.at),
            action: event.action,
            outcome: event.outcome,
            reason: event.reason,
            actor: event.actor,
            subject: event.subject,
            client_id: event.client_id,
            ip: event.ip,
            request_id: event.request_id,
            detail: event.detail,
            number: event.seq,
            hash: event.hash,
        }
    }
}
