//! The users.

use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use secrecy::ExposeSecret;
use shared::server::{
    context::RequestContext,
    entity_tag::{Precondition, entity_tag},
    paging::{default_limit, next_page},
    problem::Refused,
};

use super::{
    CreateReply, DeleteReply, PageReply, VersionedReply, behind,
    user_body::{CreatedUser, NewUser, User, UserDetails, UserPage, UserState},
};
use crate::{
    admin::{Filter, Gate, Users},
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

const PATH: &str = "/admin/users";

/// The users.
pub(in crate::http) struct UsersApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) users: Users,
}

#[OpenApi(prefix_path = "/admin/users", tag = "ApiTag::Administration")]
impl UsersApi {
    /// List users
    ///
    /// Newest first; with filters, those that fit all of them. Takes the scope `admin:users`.
    #[oai(path = "/", method = "get", operation_id = "list_users")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the request")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// How many users a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 400))]
        cursor: Query<Option<String>>,
        /// A part of the username, in any case and taken literally.
        #[oai(validator(min_length = 1, max_length = 64))]
        search: Query<Option<String>>,
        /// A role that they hold.
        #[oai(validator(min_length = 1, max_length = 64))]
        role: Query<Option<String>>,
        /// Whether they may log in.
        state: Query<Option<UserState>>,
    ) -> Result<PageReply<UserPage>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let (part, role) = (search.0.as_deref(), role.0.as_deref());
        let filter = Filter { part, role, state: state.0.map(Into::into) };
        let page = self.users.list(filter, behind(cursor.0.as_deref())?.as_deref(), limit.0).await?;
        let state = state.0.map(|state| match state {
            UserState::Active => "active",
            UserState::Disabled => "disabled",
        });
        let filters = [("search", part), ("role", role), ("state", state)];
        let (next_cursor, link) = next_page(PATH, limit.0, &filters, page.next.as_deref());
        Ok(PageReply::Page(Json(UserPage { users: page.items.into_iter().map(User::from).collect(), next_cursor }), link))
    }

    /// Create a user
    ///
    /// Takes the scope `admin:users`, and every scope that the roles hold. Without a password one is made and shown in the
    /// answer, once; then, and unless told otherwise, it is only good for choosing another.
    #[oai(path = "/", method = "post", operation_id = "create_user")]
    async fn create(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        new: Json<NewUser>,
    ) -> Result<CreateReply<CreatedUser>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let created = self.users.create(&actor, new.0.into()).await?;
        let location = format!("{PATH}/{}", created.user.id);
        let tag = entity_tag(created.user.version);
        let password = created.made_password.map(|password| password.expose_secret().to_owned());
        let user = (created.user, created.roles).into();
        Ok(CreateReply::Created(Json(CreatedUser { user, password }), location, tag))
    }

    /// Read a user
    ///
    /// Takes the scope `admin:users`.
    #[oai(path = "/:id", method = "get", operation_id = "read_user")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
    ) -> Result<VersionedReply<User>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        Ok(self.users.read(&id.0).await?.into())
    }

    /// Replace a user's name to show and state
    ///
    /// Disabling ends the user's sessions and revokes their access tokens. Takes the scope `admin:users`, and that the user
    /// does not rank equal or higher; nobody changes their own state. With `If-Match` only a version you have seen is
    /// changed; without it the last one to write wins.
    #[oai(path = "/:id", method = "put", operation_id = "replace_user")]
    async fn replace(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
        /// Entity tags of the versions you mean to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        details: Json<UserDetails>,
    ) -> Result<VersionedReply<User>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        Ok(self.users.replace(&actor, &id.0, &precondition, details.0.into()).await?.into())
    }

    /// Delete a user
    ///
    /// Their sessions end and their access tokens are revoked; the audit log keeps their identifier. Takes the scope
    /// `admin:users`, and that the user does not rank equal or higher.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_user")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
        /// Entity tags of the versions you mean to delete.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<DeleteReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        self.users.delete(&actor, &id.0, &precondition).await?;
        Ok(DeleteReply::Deleted)
    }
}

impl From<(crate::admin::User, Vec<String>)> for VersionedReply<User> {
    fn from(user: (crate::admin::User, Vec<String>)) -> Self {
        let tag = entity_tag(user.0.version);
        Self::Now(Json(user.into()), tag)
    }
}
