//! What a subject may have: requested ∩ client ∩ roles, at exactly one resource.

use shared::scope::Scope;

pub(crate) use crate::store::Catalog;
use crate::store::Rights;

/// What a request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// The `scope` parameter, if it was given.
    pub(crate) scope: Option<Scope>,
    /// The `resource` parameters (RFC 8707 §2).
    pub(crate) resources: Vec<String>,
}

/// What a client may ask for, and where it asks when it does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) default_resource: Option<&'a str>,
}

/// What a subject gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// The audience of the token.
    pub(crate) resource: String,
    pub(crate) scope: Scope,
}

/// Why nothing can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessError {
    #[error("the scope holds a token that does not exist or that this client may not ask for")]
    ScopeNotAllowed,
    #[error("the scope holds tokens of several resources; ask for one resource at a time")]
    SeveralResources,
    #[error("the scope does not belong to the requested resource")]
    ScopeOfAnotherResource,
    #[error("name a scope or a resource: this client has no default resource")]
    NothingRequested,
    #[error("none of this is within the subject's roles")]
    NoRights,
    #[error("the requested resource does not exist or is not open to this client")]
    UnknownResource,
    #[error("ask for one resource at a time")]
    OneResourceAtATime,
}

/// Decides what a subject with these rights gets of what was asked, through a client with these limits.
///
/// Every scope belongs to one resource, and a token is for one resource: named by `resource`, or by the requested
/// scope, or the client's default. What the client may not ask for is refused; what only the subject's roles do not
/// hold is left out, and the answer says so (RFC 6749 §3.3).
pub(crate) fn decide(catalog: &Catalog, limits: Limits<'_>, rights: &Rights, wish: &Wish) -> Result<Access, AccessError> {
    if wish.scope.as_ref().is_some_and(|scope| !limits.scope.contains_all(scope)) {
        return Err(AccessError::ScopeNotAllowed);
    }
    let resource = resource_of(catalog, limits, wish)?;
    let offered = catalog.scope_of(resource).ok_or(AccessError::UnknownResource)?.intersection(limits.scope);
    let wanted = wish.scope.as_ref().unwrap_or(&offered);
    if !offered.contains_all(wanted) {
        return Err(AccessError::ScopeOfAnotherResource);
    }
    let scope = wanted.intersection(&rights.scope);
    if scope.is_empty() {
        return Err(AccessError::NoRights);
    }
    Ok(Access { resource: resource.to_owned(), scope })
}

fn resource_of<'a>(catalog: &'a Catalog, limits: Limits<'a>, wish: &'a Wish) -> Result<&'a str, AccessError> {
    match (wish.resources.as_slice(), &wish.scope) {
        ([resource], _) => Ok(resource),
        ([_, ..], _) => Err(AccessError::OneResourceAtATime),
        ([], Some(scope)) => {
            let mut owners = scope.iter().map(|token| catalog.owner_of(token).ok_or(AccessError::ScopeNotAllowed));
            let first = owners.next().ok_or(AccessError::NothingRequested)??;
            for owner in owners {
                if owner? != first {
                    return Err(AccessError::SeveralResources);
                }
            }
            Ok(first)
        }
        ([], None) => limits.default_resource.ok_or(AccessError::NothingRequested),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "https://api.example";
    const ISSUER: &str = "https://issuer.example";

    fn decide_for(client: &str, roles: &str, scope: Option<&str>, resources: &[&str]) -> Result<(String, String), AccessError> {
        let catalog = Catalog::of(&[(API, "read write"), (ISSUER, "account admin:users")]);
        let client: Scope = client.parse().unwrap();
        let rights = Rights { roles: vec!["some".to_owned()], scope: roles.parse().unwrap() };
        let wish = Wish {
            scope: scope.map(|scope| scope.parse().unwrap()),
            resources: resources.iter().map(|&resource| resource.to_owned()).collect(),
        };
        let limits = Limits { scope: &client, default_resource: Some(API) };
        decide(&catalog, limits, &rights, &wish).map(|access| (access.resource, access.scope.to_string()))
    }

    fn granted(resource: &str, scope: &str) -> (String, String) {
        (resource.to_owned(), scope.to_owned())
    }

    #[test]
    fn nothing_asked_is_everything_at_the_default_resource() {
        assert_eq!(decide_for("read write account", "read write account", None, &[]), Ok(granted(API, "read write")));
        assert_eq!(decide_for("read write", "read", None, &[]), Ok(granted(API, "read")));
    }

    #[test]
    fn jw_04_the_audience_follows_from_the_scope_and_two_resources_are_refused() {
        assert_eq!(decide_for("read account", "read account", Some("account"), &[]), Ok(granted(ISSUER, "account")));
        assert_eq!(decide_for("read account", "read account", Some("read account"), &[]), Err(AccessError::SeveralResources));
    }

    #[test]
    fn what_the_roles_lack_is_left_out_and_what_the_client_lacks_is_refused() {
        assert_eq!(decide_for("read write", "read", Some("read write"), &[]), Ok(granted(API, "read")));
        assert_eq!(decide_for("read write", "read", Some("write"), &[]), Err(AccessError::NoRights));
        assert_eq!(decide_for("read", "read write", Some("read write"), &[]), Err(AccessError::ScopeNotAllowed));
        assert_eq!(decide_for("read", "read", Some("unheard-of"), &[]), Err(AccessError::ScopeNotAllowed));
    }

    #[test]
    fn a_resource_can_be_named_once() {
        assert_eq!(decide_for("read account", "read account", None, &[ISSUER]), Ok(granted(ISSUER, "account")));
        assert_eq!(decide_for("read account", "read account", Some("account"), &[API]), Err(AccessError::ScopeOfAnotherResource));
        assert_eq!(decide_for("read", "read", None, &["https://other.example"]), Err(AccessError::UnknownResource));
        assert_eq!(decide_for("read", "read", None, &[API, ISSUER]), Err(AccessError::OneResourceAtATime));
    }

    #[test]
    fn a_resource_without_any_scope_of_the_client_gives_no_rights() {
        assert_eq!(decide_for("read", "read account", None, &[ISSUER]), Err(AccessError::NoRights));
    }
}
