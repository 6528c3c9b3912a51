//! What a route needs, as the settings of the proxy say it: `scope=documents:read&role=editor,admin`.
//!
//! Each parameter must be met. `scope` may name several scopes, separated by spaces, and takes all of them; `role` may name
//! several, separated by commas, and takes one of them. `audience` is whom the token must be meant for, and `max_age` how
//! many seconds ago the user may have logged in (RFC 9470).

use std::time::Duration;

use shared::{
    guard::{Caller, Refusal},
    scope::Scope,
};
use url::form_urlencoded;

/// In the place of a path's needs: a good token, and nothing else.
const NOTHING_ELSE: &str = "-";

/// What a caller must have to pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Needs {
    audience: Option<String>,
    scopes: Vec<String>,
    /// Of each, one.
    roles: Vec<Vec<String>>,
    max_age: Option<Duration>,
}

/// A mistake in the settings of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misconfigured {
    /// A need that this service cannot check must not be passed over.
    #[error("the proxy asks for something other than audience, scope, role and max_age")]
    Unknown,
    /// Two audiences, or two ages.
    #[error("the proxy names {0} twice")]
    Twice(&'static str),
    /// The value is not one.
    #[error("the proxy names {0} in a form that it cannot have")]
    Malformed(&'static str),
    /// A path of somebody's request where the needs belong.
    #[error("the proxy does not say what the route needs before the path that it asks about")]
    Missing,
    /// An audience that nobody has listed.
    #[error("the proxy names an audience that is not in RESOURCE_FORWARD_AUTH_AUDIENCES")]
    Audience,
}

impl Needs {
    /// Reads needs that are written like a query.
    pub(super) fn read(text: &str) -> Result<Self, Misconfigured> {
        let mut needs = Self::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "audience" => once(&mut needs.audience, "audience", value.into_owned())?,
                "scope" => {
                    let scope: Scope = value.parse().map_err(|_| Misconfigured::Malformed("scope"))?;
                    if scope.is_empty() {
                        return Err(Misconfigured::Malformed("scope"));
                    }
                    needs.scopes.extend(scope.iter().map(str::to_owned));
                }
                "role" => {
                    let roles: Vec<_> = value.split(',').map(str::to_owned).collect();
                    if roles.iter().any(|role| role.trim() != role || role.is_empty()) {
                        return Err(Misconfigured::Malformed("role"));
                    }
                    needs.roles.push(roles);
                }
                "max_age" => {
                    let seconds = value.parse().map_err(|_| Misconfigured::Malformed("max_age"))?;
                    once(&mut needs.max_age, "max_age", Duration::from_secs(seconds))?;
                }
                _ => return Err(Misconfigured::Unknown),
            }
        }
        Ok(needs)
    }

    /// Reads the needs in front of the path that a proxy asks about.
    pub(super) fn in_path(path: &str) -> Result<Self, Misconfigured> {
        match path.split('/').next().unwrap_or_default() {
            NOTHING_ELSE => Ok(Self::default()),
            needs if needs.contains('=') => Self::read(needs),
            _ => Err(Misconfigured::Missing),
        }
    }

    /// Whom the token must be meant for, if not this service.
    pub(super) fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// Refuses unless the caller has all of it.
    pub(super) fn require_of(&self, caller: &Caller) -> Result<(), Refusal> {
        if !self.scopes.is_empty() {
            caller.require_all(&self.scopes.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        for roles in &self.roles {
            caller.require_any_role(&roles.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        self.max_age.map_or(Ok(()), |max_age| caller.require_login_within(max_age))
    }
}

fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), Misconfigured> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Misconfigured::Twice(name)),
    }
}

/// Needs that are taken ask for something that can be checked, and are the same in a path.
#[cfg(any(test, fuzzing))]
pub fn fuzz(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(needs) = Needs::read(text) else { return };
    assert!(needs.scopes.iter().all(|scope| scope.parse::<Scope>().is_ok_and(|scope| scope.len() == 1)));
    assert!(needs.roles.iter().all(|roles| !roles.is_empty() && roles.iter().all(|role| !role.is_empty())));
    assert_eq!(needs == Needs::default(), form_urlencoded::parse(data).next().is_none());
    if text.contains('=') && !text.contains('/') {
        assert_eq!(Needs::in_path(&format!("{text}/orders")), Ok(needs));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn every_parameter_adds_a_need() {
        let needs =
            Needs::read("scope=a+b&scope=c&role=x,y&role=z&max_age=300&audience=https%3A%2F%2Fapi.example").expect("needs");
        assert_eq!(needs.scopes, owned(&["a", "b", "c"]));
        assert_eq!(needs.roles, [owned(&["x", "y"]), owned(&["z"])]);
        assert_eq!((needs.max_age, needs.audience()), (Some(Duration::from_mins(5)), Some("https://api.example")));
        assert_eq!(Needs::read(""), Ok(Needs::default()));
    }

    #[test]
    fn what_cannot_be_checked_is_a_mistake() {
        for (text, error) in [
            ("scopes=a", Misconfigured::Unknown),
            ("Scope=a", Misconfigured::Unknown),
            ("scope=a&page=2", Misconfigured::Unknown),
            ("a", Misconfigured::Unknown),
            ("scope=", Misconfigured::Malformed("scope")),
            ("scope=%22", Misconfigured::Malformed("scope")),
            ("role=", Misconfigured::Malformed("role")),
            ("role=a,,b", Misconfigured::Malformed("role")),
            ("role=a,+b", Misconfigured::Malformed("role")),
            ("max_age=-1", Misconfigured::Malformed("max_age")),
            ("max_age=1&max_age=2", Misconfigured::Twice("max_age")),
            ("audience=a&audience=a", Misconfigured::Twice("audience")),
        ] {
            assert_eq!(Needs::read(text), Err(error), "{text}");
        }
    }

    #[test]
    fn needs_in_a_path_are_its_first_segment() {
        assert_eq!(Needs::in_path("scope=a&role=b/orders/scope=c"), Needs::read("scope=a&role=b"));
        assert_eq!(Needs::in_path("-/orders"), Ok(Needs::default()));
        for path in ["", "orders", "orders/scope=a", "/scope=a", "--"] {
            assert_eq!(Needs::in_path(path), Err(Misconfigured::Missing), "{path}");
        }
    }
}
