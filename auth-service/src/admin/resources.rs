//! Protected resources, as administrators see and change them.

use shared::{
    scope::{MAX_TOKENS, Scope},
    server::entity_tag::Precondition,
};
use url::Url;

use super::{About, Actor, AdminError, Listed, cut, rank, roles::scope_of};
use crate::{
    audit::Event,
    store::{
        Store,
        change::{self, Outcome},
        resource::{self, Model as Resource},
    },
};

const NOUN: &str = "resource";
const MAX_ID: usize = 255;

/// The protected resources, for administrators.
#[derive(Clone)]
pub(crate) struct Resources {
    pub(crate) store: Store,
    /// The issuer's own resource, which stays as it is.
    pub(crate) issuer: String,
}

impl Resources {
    /// A page of resources by identifier, each with its scopes.
    pub(crate) async fn list(&self, after: Option<&str>, limit: u32) -> Result<Listed<(Resource, Scope)>, AdminError> {
        let resources = resource::page(&self.store, after, u64::from(limit) + 1).await?;
        Ok(cut(resources, limit, |(resource, _)| resource.id.clone()))
    }

    /// A resource and its scopes.
    pub(crate) async fn read(&self, id: &str) -> Result<(Resource, Scope), AdminError> {
        resource::by_id(&self.store, id).await?.ok_or(AdminError::NotFound(NOUN))
    }

    /// Creates a resource with these scopes.
    pub(crate) async fn create(&self, actor: &Actor, id: &str, scopes: Vec<String>) -> Result<(Resource, Scope), AdminError> {
        if !is_identifier(id) {
            let message = format!("is an absolute URI without fragment, of at most {MAX_ID} ASCII characters (RFC 8707 §2)");
            return Err(AdminError::unacceptable("id", message));
        }
        let scope = self.acceptable(scopes).await?;
        let deed = actor.deed(&Precondition::None, actor.origin.record(Event::ResourceCreated, Some(id), None));
        let outcome = change::resource::create(&self.store, deed, id, &scope).await?;
        self.settled(actor, outcome, id).await?;
        self.read(id).await
    }

    /// Gives a resource exactly these scopes.
    pub(crate) async fn replace(
        &self,
        actor: &Actor,
        id: &str,
        precondition: &Precondition,
        scopes: Vec<String>,
    ) -> Result<(Resource, Scope), AdminError> {
        self.read(id).await?;
        self.spare_the_issuer(id)?;
        let scope = self.acceptable(scopes).await?;
        let deed = actor.deed(precondition, actor.origin.record(Event::ResourceChanged, Some(id), None));
        let outcome = change::resource::replace(&self.store, deed, id, &scope).await?;
        self.settled(actor, outcome, id).await?;
        self.read(id).await
    }

    /// Deletes a resource that nothing needs any more.
    pub(crate) async fn delete(&self, actor: &Actor, id: &str, precondition: &Precondition) -> Result<(), AdminError> {
        self.read(id).await?;
        self.spare_the_issuer(id)?;
        let deed = actor.deed(precondition, actor.origin.record(Event::ResourceDeleted, Some(id), None));
        let outcome = change::resource::delete(&self.store, deed, id).await?;
        self.settled(actor, outcome, id).await
    }

    fn spare_the_issuer(&self, id: &str) -> Result<(), AdminError> {
        if id == self.issuer {
            return Err(AdminError::Conflict("The issuer's own resource stays as it is.".to_owned()));
        }
        Ok(())
    }

    /// Administrative scopes are the issuer's alone. One role must be able to hold all scopes there are.
    async fn acceptable(&self, scopes: Vec<String>) -> Result<Scope, AdminError> {
        let scope = scope_of(scopes)?;
        if scope.iter().any(rank::is_administrative) {
            return Err(AdminError::unacceptable("scopes", "scopes that begin with `admin:` are the issuer's own"));
        }
        if resource::catalog(&self.store).await?.every_scope().union(&scope).len() > MAX_TOKENS {
            return Err(AdminError::unacceptable("scopes", format!("there may be {MAX_TOKENS} scopes in all")));
        }
        Ok(scope)
    }

    async fn settled(&self, actor: &Actor, outcome: Outcome, id: &str) -> Result<(), AdminError> {
        actor.settle(&self.store, outcome, NOUN, About::Subject(id)).await
    }
}

/// Whether a text can name a resource: an absolute URI without fragment (RFC 8707 §2), in one spelling.
fn is_identifier(id: &str) -> bool {
    let is_plain = id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && !id.contains('#') && Url::parse(id).is_ok()
}
