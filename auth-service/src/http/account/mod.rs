//! The caller's own.

mod profile;

pub(super) use self::profile::ProfileApi;
