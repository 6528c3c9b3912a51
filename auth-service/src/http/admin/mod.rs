//! For administrators: one file per noun, each behind a scope of its own.

mod audit_events;

pub(super) use self::audit_events::AuditEventsApi;
