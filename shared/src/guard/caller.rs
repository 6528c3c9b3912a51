//! Who is calling, and what they may do.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tracing::info;

use super::{
    challenge::ProtectionSpace,
    refusal::{Reason, Refusal},
};
use crate::{access_token::AccessTokenClaims, scope::Scope};

/// Who is calling: what a verified access token says about it.
#[derive(Clone, Debug)]
pub struct Caller {
    claims: Arc<AccessTokenClaims>,
    space: Arc<ProtectionSpace>,
}

impl Caller {
    pub(super) const fn new(claims: Arc<AccessTokenClaims>, space: Arc<ProtectionSpace>) -> Self {
        Self { claims, space }
    }

    /// For whom the request is made: a user, or a client acting for itself.
    pub fn subject(&self) -> &str {
        &self.claims.sub
    }

    /// The client that makes it.
    pub fn client_id(&self) -> &str {
        &self.claims.client_id
    }

    /// The API key that acts for the subject, if the caller showed one.
    pub fn actor(&self) -> Option<&str> {
        self.claims.act.as_ref().map(|actor| actor.sub.as_str())
    }

    /// What the token allows.
    pub fn scope(&self) -> &Scope {
        &self.claims.scope
    }

    /// The subject's roles.
    pub fn roles(&self) -> &[String] {
        &self.claims.roles
    }

    /// Everything the token says.
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.claims
    }

    /// Whether the token allows this.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.claims.scope.contains(scope)
    }

    /// Whether the subject has this role; names are compared exactly.
    pub fn has_role(&self, role: &str) -> bool {
        self.claims.roles.iter().any(|held| held == role)
    }

    /// Refuses unless the token allows this.
    pub fn require(&self, scope: &str) -> Result<(), Refusal> {
        self.require_all(&[scope])
    }

    /// Refuses unless the token allows all of these.
    pub fn require_all(&self, scopes: &[&str]) -> Result<(), Refusal> {
        self.permit(scopes.iter().all(|scope| self.has_scope(scope)), || insufficient_scope(scopes))
    }

    /// Refuses unless the token allows one of these.
    pub fn require_any(&self, scopes: &[&str]) -> Result<(), Refusal> {
        self.permit(scopes.iter().any(|scope| self.has_scope(scope)), || insufficient_scope(scopes))
    }

    /// Refuses unless the subject has this role.
    pub fn require_role(&self, role: &str) -> Result<(), Refusal> {
        self.require_any_role(&[role])
    }

    /// Refuses unless the subject has one of these roles.
    pub fn require_any_role(&self, roles: &[&str]) -> Result<(), Refusal> {
        self.permit(roles.iter().any(|role| self.has_role(role)), || {
            Reason::InsufficientRole(roles.iter().map(|&role| role.to_owned()).collect())
        })
    }

    /// Refuses unless the user has logged in within this time (RFC 9470), as before something that cannot be undone.
    pub fn require_login_within(&self, max_age: Duration) -> Result<(), Refusal> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let oldest = now.saturating_sub(max_age).as_secs().cast_signed();
        self.permit(self.claims.auth_time.is_some_and(|login| login >= oldest), || Reason::LoginTooOld { max_age })
    }

    fn permit(&self, permitted: bool, otherwise: impl FnOnce() -> Reason) -> Result<(), Refusal> {
        if permitted {
            return Ok(());
        }
        let reason = otherwise();
        info!(
            subject = self.subject(),
            client.id = self.client_id(),
            reason = reason.code(),
            "Refused a request of `{}`: {reason}",
            self.subject()
        );
        Err(Refusal::new(reason, Arc::clone(&self.space)))
    }
}

fn insufficient_scope(scopes: &[&str]) -> Reason {
    Reason::InsufficientScope(Scope::from_tokens(scopes.iter().copied()).unwrap_or_default())
}
