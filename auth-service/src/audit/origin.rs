//! Who did it, and by which request.

use shared::server::context::RequestContext;

use super::Event;
use crate::{clock, id, store::AuditEvent};

/// Who did it, and by which request.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    actor: Option<String>,
    ip: Option<String>,
    request_id: Option<String>,
    device: Option<String>,
}

impl Origin {
    /// The operator at the command line, or the service itself.
    pub(crate) fn local(actor: &str) -> Self {
        Self { actor: Some(actor.to_owned()), ip: None, request_id: None, device: None }
    }

    /// A request from the network.
    pub(crate) fn request(context: &RequestContext) -> Self {
        Self {
            actor: None,
            ip: Some(context.client_ip.to_string()),
            request_id: Some(context.request_id.to_string()),
            device: context.user_agent.as_deref().map(ToOwned::to_owned),
        }
    }

    /// The same request, made by this caller.
    #[must_use]
    pub(crate) fn by(self, actor: &str) -> Self {
        Self { actor: Some(actor.to_owned()), ..self }
    }

    /// The address it comes from; empty if it does not come from the network.
    pub(crate) fn ip(&self) -> &str {
        self.ip.as_deref().unwrap_or_default()
    }

    /// What the program that asks calls itself.
    pub(crate) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The record of an event: about whom, and through which client.
    pub(crate) fn record(&self, event: Event, subject: Option<&str>, client_id: Option<&str>) -> AuditEvent {
        AuditEvent {
            id: id::audit_event(),
            at: clock::now(),
            action: event.action().to_owned(),
            outcome: event.outcome().to_owned(),
            reason: event.reason().map(ToOwned::to_owned),
            actor: self.actor.clone(),
            subject: subject.map(ToOwned::to_owned),
            client_id: client_id.map(ToOwned::to_owned),
            ip: self.ip.clone(),
            request_id: self.request_id.clone(),
            detail: None,
            seq: None,
            hash: None,
        }
    }
}
