//! The caller's own.

mod api_keys;
mod profile;

pub(super) use self::{api_keys::ApiKeysApi, profile::ProfileApi};
