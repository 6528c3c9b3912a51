//! Everything worth recording, recorded by the domain in the same transaction as the change it tells of.

mod applied;
mod chain;
mod event;
mod names;
mod origin;
mod refusal;
mod search;

pub(crate) use self::{
    applied::Applied,
    chain::{Chain, Verification},
    event::Event,
    names::NameKey,
    origin::Origin,
    refusal::{ApiKeyRefusal, ClientRefusal, LoginRefusal, RefreshRefusal, RegistrationRefusal},
    search::{AuditLog, Filter, Recorded},
};
