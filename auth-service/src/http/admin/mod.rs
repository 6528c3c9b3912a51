//! For administrators: one file per noun, each behind a scope of its own.

mod api_keys;

pub(super) use self::api_keys::ApiKeysApi;
