//! The caller's own.

mod password;
mod profile;
mod registration;
mod sessions;

pub(super) use self::{password::PasswordApi, profile::ProfileApi, registration::RegistrationApi, sessions::SessionsApi};
