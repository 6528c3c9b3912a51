//! The secrets and passwords of a file: in it, in another file, or in the environment.

use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;
use shared::server::settings;

use super::{Client, User};

/// A text that stays out of messages.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Hidden(SecretString);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// A password as it was given.
#[derive(Debug)]
pub(in crate::apply) enum Password {
    Plain(SecretString),
    /// As another system kept it.
    Hash(SecretString),
}

impl Client {
    pub(super) fn read_secrets(&mut self, directory: &Path) -> Result<Option<Vec<SecretString>>, String> {
        let one = read_one("secret", self.secret.take(), self.secret_file.as_deref(), self.secret_env.as_deref(), directory)?;
        match (one, self.secrets.take()) {
            (Some(_), Some(_)) => Err("give `secret` or `secrets`, not both".to_owned()),
            (Some(one), None) => Ok(Some(vec![one])),
            (None, several) => Ok(several.map(|several| several.into_iter().map(|Hidden(secret)| secret).collect())),
        }
    }
}

impl User {
    pub(super) fn read_password(&mut self, directory: &Path) -> Result<Option<Password>, String> {
        let (file, env) = (self.password_file.as_deref(), self.password_env.as_deref());
        match (read_one("password", self.password.take(), file, env, directory)?, self.password_hash.take()) {
            (Some(_), Some(_)) => Err("give `password` or `password_hash`, not both".to_owned()),
            (Some(plain), None) => Ok(Some(Password::Plain(plain))),
            (None, hash) => Ok(hash.map(|Hidden(hash)| Password::Hash(hash))),
        }
    }
}

/// A secret that may be given in one of three ways.
fn read_one(
    name: &str,
    plain: Option<Hidden>,
    file: Option<&Path>,
    variable: Option<&str>,
    directory: &Path,
) -> Result<Option<SecretString>, String> {
    match (plain, file, variable) {
        (None, None, None) => Ok(None),
        (Some(Hidden(plain)), None, None) => Ok(Some(plain)),
        (None, Some(file), None) => {
            let path = directory.join(file);
            settings::secret(None, Some(&path)).map_err(|error| format!("`{name}_file`: {error}"))
        }
        (None, None, Some(variable)) => crate::config::secret_variable(variable)
            .map(Some)
            .ok_or_else(|| format!("`{name}_env`: the environment variable is not set")),
        _ => Err(format!("give one of `{name}`, `{name}_file` and `{name}_env`")),
    }
}
