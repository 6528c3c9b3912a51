//! The caller's own.

mod api_keys;
mod password;
mod profile;
mod registration;
mod sessions;

pub(super) use self::{
    api_keys::ApiKeysApi, password::PasswordApi, profile::ProfileApi, registration::RegistrationApi, sessions::SessionsApi,
};
