//! The sessions of a user.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::server::{
    context::RequestContext,
    paging::{self, default_limit},
    problem::Refused,
};

use super::DeleteReply;
use crate::{
    account::{Session, SessionPlace},
    admin::{Gate, Users},
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

/// The sessions of users.
pub(in crate::http) struct UserSessionsApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) users: Users,
}

/// One login at one client.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct UserSession {
    /// Its identifier.
    id: String,
    /// The client that the user logged in with.
    client_id: String,
    /// The API that its tokens are for.
    resource: String,
    /// What was granted.
    scopes: Vec<String>,
    /// What the program called itself.
    device: Option<String>,
    /// The address it was last used from.
    ip: String,
    /// When the user logged in, RFC 3339.
    created_at: String,
    /// When it was last used, RFC 3339.
    last_used_at: String,
    /// When it ends at the latest, RFC 3339.
    expires_at: String,
}

/// A page of the sessions that are alive.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct UserSessions {
    /// The latest used first.
    sessions: Vec<UserSession>,
    /// Where the next page begins; absent on the last page.
    next_cursor: Option<String>,
}

#[derive(ApiResponse)]
enum SessionsReply {
    /// A page of the list.
    #[oai(status = 200)]
    Page(
        Json<UserSessions>,
        /// The next page, with `rel="next"` (RFC 8288); absent on the last page.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[OpenApi(prefix_path = "/admin/users", tag = "ApiTag::Administration")]
impl UserSessionsApi {
    /// List a user's sessions
    ///
    /// Those that are alive, the latest used first. Takes the scope `admin:users`.
    #[oai(path = "/:id/sessions", method = "get", operation_id = "list_user_sessions")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
        /// How many sessions a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<SessionsReply, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let after = paging::after(cursor.0.as_deref(), SessionPlace::parse)?;
        let page = self.users.sessions(&id.0, after.as_ref(), limit.0).await?;
        let path = format!("/admin/users/{}/sessions", id.0);
        let last = page.next.map(|place| place.to_string());
        let (next_cursor, link) = paging::next_page(&path, limit.0, &[], last.as_deref());
        let sessions = page.sessions.into_iter().map(UserSession::from).collect();
        Ok(SessionsReply::Page(Json(UserSessions { sessions, next_cursor }), link))
    }

    /// End all of a user's sessions
    ///
    /// Their access tokens are revoked. Takes the scope `admin:users`, and that the user does not rank equal or higher, or
    /// is yourself.
    #[oai(path = "/:id/sessions", method = "delete", operation_id = "end_user_sessions")]
    async fn end_all(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
    ) -> Result<DeleteReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        self.users.end_sessions(&actor, &id.0, None).await?;
        Ok(DeleteReply::Deleted)
    }

    /// End one of a user's sessions
    ///
    /// Its access tokens are revoked. Takes the scope `admin:users`, and that the user does not rank equal or higher, or is
    /// yourself.
    #[oai(path = "/:id/sessions/:session_id", method = "delete", operation_id = "end_user_session")]
    async fn end(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
        /// The session's identifier.
        session_id: Path<String>,
    ) -> Result<DeleteReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        self.users.end_sessions(&actor, &id.0, Some(&session_id.0)).await?;
        Ok(DeleteReply::Deleted)
    }
}

impl From<Session> for UserSession {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            client_id: session.client_id,
            resource: session.resource_id,
            scopes: session.scope.split_whitespace().map(ToOwned::to_owned).collect(),
            device: session.device,
            ip: session.ip,
            created_at: clock::rfc3339(session.created_at),
            last_used_at: clock::rfc3339(session.last_used_at),
            expires_at: clock::rfc3339(session.expires_at),
        }
    }
}
