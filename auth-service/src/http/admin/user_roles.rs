//! The roles of a user.

use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use shared::server::{
    context::RequestContext,
    entity_tag::{Precondition, entity_tag},
    json_string::JsonString,
    problem::Refused,
};

use super::{Revoke, VersionedReply, texts};
use crate::{
    admin::{Gate, User, Users},
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

/// The roles of users.
pub(in crate::http) struct UserRolesApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) users: Users,
}

/// The roles that a user holds.
#[derive(Object)]
struct HeldRoles {
    /// Their names, sorted.
    roles: Vec<String>,
}

/// The roles that a user is to hold.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewRoles {
    /// Their names; any other role the user holds is taken away.
    #[oai(validator(max_items = 64))]
    roles: Vec<JsonString>,
}

#[OpenApi(prefix_path = "/admin/users", tag = "ApiTag::Administration")]
impl UserRolesApi {
    /// Read a user's roles
    ///
    /// Takes the scope `admin:users`.
    #[oai(path = "/:id/roles", method = "get", operation_id = "read_user_roles")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
    ) -> Result<VersionedReply<HeldRoles>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        Ok(self.users.read(&id.0).await?.into())
    }

    /// Replace a user's roles
    ///
    /// Tokens follow at the next login or refresh; with `revoke=now` the user's sessions end at once. Takes the scope
    /// `admin:users`, every scope that an added role holds, and that the user does not rank equal or higher. Nobody changes
    /// their own roles. The entity tag is the user's.
    #[oai(path = "/:id/roles", method = "put", operation_id = "replace_user_roles")]
    async fn replace(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
        /// When what was issued before ends; without it, the next login or refresh follows.
        revoke: Query<Option<Revoke>>,
        /// Entity tags of the versions of the user that you mean to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        roles: Json<NewRoles>,
    ) -> Result<VersionedReply<HeldRoles>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        let reach = Revoke::reach(revoke.0.as_ref());
        Ok(self.users.set_roles(&actor, &id.0, &precondition, texts(roles.0.roles), reach).await?.into())
    }
}

impl From<(User, Vec<String>)> for VersionedReply<HeldRoles> {
    fn from((user, roles): (User, Vec<String>)) -> Self {
        Self::Now(Json(HeldRoles { roles }), entity_tag(user.version))
    }
}
