//! The file: TOML, one table array per noun. Everything that is wrong with it is said at once, with its line.

mod problems;
mod secrets;

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, de::IntoDeserializer};
use shared::server::settings;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use self::secrets::Hidden;
pub(super) use self::{problems::Problems, secrets::Password};

/// What a file describes.
#[derive(Debug, Default)]
pub(super) struct Desired {
    pub(super) resources: Vec<At<Resource>>,
    pub(super) roles: Vec<At<Role>>,
    pub(super) clients: Vec<At<Client>>,
    pub(super) users: Vec<At<User>>,
}

/// Something and the line that it begins on.
#[derive(Debug)]
pub(super) struct At<T> {
    pub(super) line: usize,
    pub(super) entry: T,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) scopes: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) scopes: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) kind: Option<Kind>,
    secret: Option<Hidden>,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    secrets: Option<Vec<Hidden>>,
    pub(super) grants: Option<Vec<String>>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) default_resource: Option<String>,
    pub(super) serves: Option<String>,
    pub(super) cors_origins: Option<Vec<String>>,
    pub(super) access_token_lifetime: Option<Lifetime>,
    pub(super) refresh_idle_lifetime: Option<Lifetime>,
    pub(super) refresh_absolute_lifetime: Option<Lifetime>,
    pub(super) state: Option<State>,
    /// The secrets, wherever they came from.
    #[serde(skip)]
    pub(super) known_secrets: Option<Vec<SecretString>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) username: String,
    password: Option<Hidden>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    password_hash: Option<Hidden>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) state: Option<State>,
    /// The password, wherever it came from.
    #[serde(skip)]
    pub(super) known_password: Option<Password>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Public,
    Confidential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Active,
    Disabled,
}

/// A duration as `10m`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Lifetime(pub(super) std::time::Duration);

impl TryFrom<String> for Lifetime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        settings::duration(&text).map(Self)
    }
}

impl Desired {
    /// Reads a file's text; `directory` is where the files that it names are.
    pub(super) fn parse(text: &str, directory: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            problems.add(line_of(text, error.span().map_or(0, |span| span.start)), told(error.message()));
        }
        // What could not even be read would only lead to complaints that follow from it.
        problems.finish()?;
        let mut problems = Problems::default();
        let mut desired = Self::default();
        for (name, value) in document.into_inner() {
            let line = line_of(text, name.span().start);
            let mut read = Reader { text, value, line, problems: &mut problems };
            match name.get_ref().as_ref() {
                "resource" => desired.resources = read.entries(),
                "role" => desired.roles = read.entries(),
                "client" => desired.clients = read.entries(),
                "user" => desired.users = read.entries(),
                _ => problems.add(line, "only `[[resource]]`, `[[role]]`, `[[client]]` and `[[user]]` are known"),
            }
        }
        for client in &mut desired.clients {
            match client.entry.read_secrets(directory) {
                Ok(secrets) => client.entry.known_secrets = secrets,
                Err(message) => problems.add(client.line, message),
            }
        }
        for user in &mut desired.users {
            match user.entry.read_password(directory) {
                Ok(password) => user.entry.known_password = password,
                Err(message) => problems.add(user.line, message),
            }
        }
        problems.finish().map(|()| desired)
    }
}

struct Reader<'a, 'i> {
    text: &'a str,
    value: Spanned<DeValue<'i>>,
    line: usize,
    problems: &'a mut Problems,
}

impl<'i> Reader<'_, 'i> {
    /// Each entry by itself, so that one that is wrong does not hide the next.
    fn entries<T: Deserialize<'i>>(&mut self) -> Vec<At<T>> {
        let value = std::mem::replace(&mut self.value, Spanned::new(0..0, DeValue::Boolean(false)));
        let DeValue::Array(entries) = value.into_inner() else {
            self.problems.add(self.line, "expected an array of tables: write it in double brackets");
            return Vec::new();
        };
        let mut read = Vec::new();
        for entry in entries {
            let start = entry.span().start;
            let line = line_of(self.text, start);
            match T::deserialize(entry.into_deserializer()) {
                Ok(entry) => read.push(At { line, entry }),
                Err(error) => {
                    let line = error.span().map_or(line, |span| line_of(self.text, span.start));
                    self.problems.add(line, told(error.message()));
                }
            }
        }
        read
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// What a parser says, without the excerpt that follows and without the value it is about: that may be a secret.
fn told(message: &str) -> String {
    let repeats_value = ["invalid ", "unknown variant"].iter().any(|beginning| message.starts_with(beginning));
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if repeats_value => format!("expected {expected}"),
        None if repeats_value => "the value is not acceptable".to_owned(),
        Some(_) | None => message.lines().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        Desired::parse(text, Path::new(".")).unwrap_err().to_string()
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_its_line() {
        let text = "[[role]]\nname = 1\n\n[[role]]\nname = 'a'\nscope = []\n\n[[colour]]\nname = 'red'\n[[user]]\nusername = 'ada'\n\
                    password = 'x'\npassword_hash = 'y'\n";

        let said = problems(text);

        for line in ["line 2: ", "line 6: ", "line 8: ", "line 10: "] {
            assert!(said.contains(line), "{line} is not in {said}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated() {
        for line in [
            "secrets = 'canary'",
            "secret = canary",
            "secrets = \"\"\"canary\n, expected canary\nexpected\"\"\"",
            "kind = 'canary'",
            "access_token_lifetime = 'canary'",
            "grants = { canary = 1 }",
        ] {
            let said = problems(&format!("[[client]]\nid = 'batch'\n{line}\n"));
            assert!(said.contains("line 3: ") && !said.contains("canary"), "{line}: {said}");
        }
    }
}
