//! The protected resources: APIs, and the scopes that belong to each.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use shared::{
    scope::Scope,
    server::{
        context::RequestContext,
        entity_tag::{Precondition, entity_tag},
        json_string::JsonString,
        paging::{default_limit, next_page},
        problem::Refused,
    },
};
use url::form_urlencoded;

use super::{CreateReply, DeleteReply, PageReply, VersionedReply, behind, texts};
use crate::{
    admin::{self, Gate, Resources},
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

const PATH: &str = "/admin/resources";

/// The protected resources.
pub(in crate::http) struct ResourcesApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) resources: Resources,
}

/// A protected resource.
#[derive(Object)]
struct Resource {
    /// Its identifier: the `aud` of the tokens for it.
    id: String,
    /// The scopes that belong to it, sorted.
    scopes: Vec<String>,
    /// When it was created, RFC 3339.
    created_at: String,
    /// The entity tag of this version.
    etag: String,
}

/// A new resource.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewResource {
    /// Its identifier: an absolute URI without fragment.
    // Keep in step with `admin::Resources::create`.
    #[oai(validator(min_length = 1, max_length = 255))]
    id: JsonString,
    /// The scopes that belong to it, and to no other.
    #[oai(validator(max_items = 128))]
    scopes: Vec<JsonString>,
}

/// What can be replaced of a resource.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct ResourceScopes {
    /// The scopes that belong to it.
    #[oai(validator(max_items = 128))]
    scopes: Vec<JsonString>,
}

/// A page of resources, by identifier.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct ResourcePage {
    /// The resources of this page.
    resources: Vec<Resource>,
    /// Where the next page begins; absent on the last page.
    next_cursor: Option<String>,
}

#[OpenApi(prefix_path = "/admin/resources", tag = "ApiTag::Administration")]
impl ResourcesApi {
    /// List protected resources
    ///
    /// By identifier. Takes the scope `admin:clients`.
    #[oai(path = "/", method = "get", operation_id = "list_resources")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// How many resources a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 400))]
        cursor: Query<Option<String>>,
    ) -> Result<PageReply<ResourcePage>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let page = self.resources.list(behind(cursor.0.as_deref())?.as_deref(), limit.0).await?;
        let (next_cursor, link) = next_page(PATH, limit.0, &[], page.next.as_deref());
        let resources = page.items.into_iter().map(Resource::from).collect();
        Ok(PageReply::Page(Json(ResourcePage { resources, next_cursor }), link))
    }

    /// Create a protected resource
    ///
    /// Its scopes are new; the role `admin` holds them from the beginning, so that there is somebody to give them to others.
    /// Takes the scope `admin:clients`.
    #[oai(path = "/", method = "post", operation_id = "create_resource")]
    async fn create(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        new: Json<NewResource>,
    ) -> Result<CreateReply<Resource>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let resource = self.resources.create(&actor, &new.0.id.0, texts(new.0.scopes)).await?;
        let (location, tag) = (location(&resource.0.id), entity_tag(resource.0.version));
        Ok(CreateReply::Created(Json(resource.into()), location, tag))
    }

    /// Read a protected resource
    ///
    /// Takes the scope `admin:clients`.
    #[oai(path = "/:id", method = "get", operation_id = "read_resource")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The resource's identifier, percent-encoded.
        id: Path<String>,
    ) -> Result<VersionedReply<Resource>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        Ok(self.resources.read(&id.0).await?.into())
    }

    /// Replace a resource's scopes
    ///
    /// A scope that a role other than `admin`, or a client, still has cannot be removed: the answer is 409. Takes the scope
    /// `admin:clients`. The issuer's own resource stays as it is.
    #[oai(path = "/:id", method = "put", operation_id = "replace_resource")]
    async fn replace(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The resource's identifier, percent-encoded.
        id: Path<String>,
        /// Entity tags of the versions you mean to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        new: Json<ResourceScopes>,
    ) -> Result<VersionedReply<Resource>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        Ok(self.resources.replace(&actor, &id.0, &precondition, texts(new.0.scopes)).await?.into())
    }

    /// Delete a protected resource
    ///
    /// While a role other than `admin`, or a client, still needs it, the answer is 409. Takes the scope `admin:clients`.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_resource")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The resource's identifier, percent-encoded.
        id: Path<String>,
        /// Entity tags of the versions you mean to delete.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<DeleteReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        self.resources.delete(&actor, &id.0, &precondition).await?;
        Ok(DeleteReply::Deleted)
    }
}

/// Where a resource is: its identifier is one segment of the path.
fn location(id: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("{PATH}/{encoded}")
}

impl From<(admin::Resource, Scope)> for Resource {
    fn from((resource, scope): (admin::Resource, Scope)) -> Self {
        Self {
            id: resource.id,
            scopes: scope.iter().map(ToOwned::to_owned).collect(),
            created_at: clock::rfc3339(resource.created_at),
            etag: entity_tag(resource.version),
        }
    }
}

impl From<(admin::Resource, Scope)> for VersionedReply<Resource> {
    fn from(resource: (admin::Resource, Scope)) -> Self {
        let tag = entity_tag(resource.0.version);
        Self::Now(Json(resource.into()), tag)
    }
}
