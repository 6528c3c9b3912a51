//! Roles, as administrators see and change them.

use shared::{scope::Scope, server::entity_tag::Precondition};

use super::{About, Actor, AdminError, Listed, Reach, cut, rank};
use crate::{
    audit::Event,
    first_content::ISSUER_SCOPES,
    store::{
        Store,
        change::{self, Outcome},
        role::{self, Model as Role},
    },
    token::StatusLists,
};

const NOUN: &str = "role";

/// The roles, for administrators.
#[derive(Clone)]
pub(crate) struct Roles {
    pub(crate) store: Store,
    pub(crate) lists: StatusLists,
}

impl Roles {
    /// A page of roles by name, each with its scopes.
    pub(crate) async fn list(&self, after: Option<&str>, limit: u32) -> Result<Listed<(Role, Scope)>, AdminError> {
        let roles = role::page(&self.store, after, u64::from(limit) + 1).await?;
        Ok(cut(roles, limit, |(role, _)| role.name.clone()))
    }

    /// A role and its scopes.
    pub(crate) async fn read(&self, name: &str) -> Result<(Role, Scope), AdminError> {
        role::by_name(&self.store, name).await?.ok_or(AdminError::NotFound(NOUN))
    }

    /// Creates a role with these scopes.
    pub(crate) async fn create(&self, actor: &Actor, name: &str, scopes: Vec<String>) -> Result<(Role, Scope), AdminError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(AdminError::unacceptable("name", "has 1 to 64 ASCII letters, digits, `.`, `_` or `-`"));
        }
        let scope = scope_of(scopes)?;
        let deed = actor.deed(&Precondition::None, actor.origin.record(Event::RoleCreated, Some(name), None));
        let outcome = change::role::create(&self.store, deed, name, &scope).await?;
        self.settled(actor, outcome, name).await?;
        self.read(name).await
    }

    /// Gives a role exactly these scopes.
    pub(crate) async fn replace(
        &self,
        actor: &Actor,
        name: &str,
        precondition: &Precondition,
        scopes: Vec<String>,
        reach: Reach,
    ) -> Result<(Role, Scope), AdminError> {
        let scope = scope_of(scopes)?;
        let mut needed = ISSUER_SCOPES.split(' ').filter(|token| rank::is_administrative(token));
        let keeps_admin = needed.all(|token| scope.contains(token));
        let deed = actor.deed(precondition, actor.origin.record(Event::RoleChanged, Some(name), None));
        let outcome = change::role::replace(&self.store, deed, name, &scope, keeps_admin, reach).await?;
        self.settled(actor, outcome, name).await?;
        self.read(name).await
    }

    /// Deletes a role.
    pub(crate) async fn delete(
        &self,
        actor: &Actor,
        name: &str,
        precondition: &Precondition,
        reach: Reach,
    ) -> Result<(), AdminError> {
        let deed = actor.deed(precondition, actor.origin.record(Event::RoleDeleted, Some(name), None));
        let outcome = change::role::delete(&self.store, deed, name, reach).await?;
        self.settled(actor, outcome, name).await
    }

    async fn settled(&self, actor: &Actor, outcome: Outcome, name: &str) -> Result<(), AdminError> {
        actor.settle(&self.store, outcome, NOUN, About::Subject(name)).await?;
        self.lists.changed().await;
        Ok(())
    }
}

/// The scope that a list of tokens is.
pub(super) fn scope_of(tokens: Vec<String>) -> Result<Scope, AdminError> {
    Scope::from_tokens(tokens).map_err(|error| AdminError::unacceptable("scopes", error.to_string()))
}
