//! The roles: named sets of scopes.

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

use super::{CreateReply, DeleteReply, PageReply, Revoke, VersionedReply, behind, texts};
use crate::{
    admin::{self, Gate, Roles},
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

const PATH: &str = "/admin/roles";

/// The roles.
pub(in crate::http) struct RolesApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) roles: Roles,
}

/// A role.
#[derive(Object)]
struct Role {
    /// Its name.
    name: String,
    /// What its holders may do, sorted.
    scopes: Vec<String>,
    /// When it was created, RFC 3339.
    created_at: String,
    /// The entity tag of this version.
    etag: String,
}

/// A new role.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewRole {
    /// Its name: ASCII letters, digits, `.`, `_`, `-`.
    // Keep in step with `admin::Roles::create`.
    #[oai(validator(min_length = 1, max_length = 64))]
    name: JsonString,
    /// What its holders may do.
    #[oai(validator(max_items = 128))]
    scopes: Vec<JsonString>,
}

/// What can be replaced of a role.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct RoleScopes {
    /// What its holders may do.
    #[oai(validator(max_items = 128))]
    scopes: Vec<JsonString>,
}

/// A page of roles, by name.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct RolePage {
    /// The roles of this page.
    roles: Vec<Role>,
    /// Where the next page begins; absent on the last page.
    next_cursor: Option<String>,
}

#[OpenApi(prefix_path = "/admin/roles", tag = "ApiTag::Administration")]
impl RolesApi {
    /// List roles
    ///
    /// By name. Takes the scope `admin:users`.
    #[oai(path = "/", method = "get", operation_id = "list_roles")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// How many roles a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 400))]
        cursor: Query<Option<String>>,
    ) -> Result<PageReply<RolePage>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let page = self.roles.list(behind(cursor.0.as_deref())?.as_deref(), limit.0).await?;
        let (next_cursor, link) = next_page(PATH, limit.0, &[], page.next.as_deref());
        Ok(PageReply::Page(Json(RolePage { roles: page.items.into_iter().map(Role::from).collect(), next_cursor }), link))
    }

    /// Create a role
    ///
    /// Takes the scope `admin:users`, and every scope of the role.
    #[oai(path = "/", method = "post", operation_id = "create_role")]
    async fn create(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        new: Json<NewRole>,
    ) -> Result<CreateReply<Role>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let role = self.roles.create(&actor, &new.0.name.0, texts(new.0.scopes)).await?;
        let (location, tag) = (format!("{PATH}/{}", role.0.name), entity_tag(role.0.version));
        Ok(CreateReply::Created(Json(role.into()), location, tag))
    }

    /// Read a role
    ///
    /// Takes the scope `admin:users`.
    #[oai(path = "/:name", method = "get", operation_id = "read_role")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The role's name.
        name: Path<String>,
    ) -> Result<VersionedReply<Role>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        Ok(self.roles.read(&name.0).await?.into())
    }

    /// Replace a role's scopes
    ///
    /// Its holders' tokens follow at the next login or refresh; with `revoke=now` their sessions end at once. Takes the
    /// scope `admin:users`, every scope that the role has or will have, and that you do not hold the role yourself.
    #[oai(path = "/:name", method = "put", operation_id = "replace_role")]
    async fn replace(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The role's name.
        name: Path<String>,
        /// When what was issued before ends; without it, the next login or refresh follows.
        revoke: Query<Option<Revoke>>,
        /// Entity tags of the versions you mean to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        new: Json<RoleScopes>,
    ) -> Result<VersionedReply<Role>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        let reach = Revoke::reach(revoke.0.as_ref());
        Ok(self.roles.replace(&actor, &name.0, &precondition, texts(new.0.scopes), reach).await?.into())
    }

    /// Delete a role
    ///
    /// Its holders lose it, and what only it gave them, at the next login or refresh; with `revoke=now` their sessions end
    /// at once. The role `admin` stays. Takes the scope `admin:users`, every scope of the role, and that you do not hold it
    /// yourself.
    #[oai(path = "/:name", method = "delete", operation_id = "delete_role")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The role's name.
        name: Path<String>,
        /// When what was issued before ends; without it, the next login or refresh follows.
        revoke: Query<Option<Revoke>>,
        /// Entity tags of the versions you mean to delete.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<DeleteReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        self.roles.delete(&actor, &name.0, &precondition, Revoke::reach(revoke.0.as_ref())).await?;
        Ok(DeleteReply::Deleted)
    }
}

impl From<(admin::Role, Scope)> for Role {
    fn from((role, scope): (admin::Role, Scope)) -> Self {
        Self {
            name: role.name,
            scopes: scope.iter().map(ToOwned::to_owned).collect(),
            created_at: clock::rfc3339(role.created_at),
            etag: entity_tag(role.version),
        }
    }
}

impl From<(admin::Role, Scope)> for VersionedReply<Role> {
    fn from(role: (admin::Role, Scope)) -> Self {
        let tag = entity_tag(role.0.version);
        Self::Now(Json(role.into()), tag)
    }
}
