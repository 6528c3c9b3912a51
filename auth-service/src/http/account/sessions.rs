//! The caller's sessions: one login at one client each.

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

use crate::{
    account::{self, SessionList, SessionPlace},
    audit::Origin,
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
        problem::unavailable,
    },
};

/// Where the caller's sessions are.
const PATH: &str = "/account/sessions";

/// The caller's sessions.
pub(in crate::http) struct SessionsApi {
    pub(in crate::http) sessions: SessionList,
}

/// A session.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct Session {
    /// Its identifier.
    id: String,
    /// The client that was logged in at.
    client_id: String,
    /// What the program called itself at the login.
    device: Option<String>,
    /// The address it was last used from.
    ip: String,
    /// The API that its tokens are for.
    resource: String,
    /// What was granted at the login.
    scope: String,
    /// Whether the token of this request was issued in it.
    current: bool,
    /// When it began, RFC 3339.
    created_at: String,
    /// When it was last refreshed, RFC 3339.
    last_used_at: String,
    /// When it ends at the latest, RFC 3339.
    expires_at: String,
}

/// A page of sessions.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct Sessions {
    /// Those that are alive, the latest used first.
    sessions: Vec<Session>,
    /// Where the next page begins; absent on the last page.
    next_cursor: Option<String>,
}

/// How many sessions ended.
#[derive(Object)]
struct Ended {
    /// The number of sessions that ended.
    ended: u64,
}

/// How sessions are listed.
#[derive(ApiResponse)]
enum SessionsReply {
    /// A page of the list.
    #[oai(status = 200)]
    Page(
        Json<Sessions>,
        /// The next page, with `rel="next"` (RFC 8288); absent on the last page.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// How the end of a session is answered.
#[derive(ApiResponse)]
enum EndReply {
    /// The session has ended.
    #[oai(status = 204)]
    Ended,
}

/// How the end of all sessions is answered.
#[derive(ApiResponse)]
enum EndAllReply {
    /// They have ended.
    #[oai(status = 200)]
    Ended(Json<Ended>),
}

#[OpenApi(tag = "ApiTag::Account")]
impl SessionsApi {
    /// List your sessions
    ///
    /// Those that are alive, the latest used first. Needs the scope `account`, in a token for the issuer itself.
    #[oai(path = "/account/sessions", method = "get", operation_id = "list_sessions")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        /// How many sessions a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<SessionsReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let after = paging::after(cursor.0.as_deref(), SessionPlace::parse)?;
        let current = self.sessions.of_token(caller.claims()).await.map_err(unavailable)?;
        let page = self.sessions.of_user(caller.subject(), after.as_ref(), limit.0).await.map_err(unavailable)?;
        let last = page.next.map(|place| place.to_string());
        let (next_cursor, link) = paging::next_page(PATH, limit.0, &[], last.as_deref());
        let sessions = page.sessions.into_iter().map(|session| shown(session, current.as_deref())).collect();
        Ok(SessionsReply::Page(Json(Sessions { sessions, next_cursor }), link))
    }

    /// End one of your sessions
    ///
    /// Needs the scope `account`, in a token for the issuer itself. Its refresh token is worth nothing from then on, and its
    /// access tokens are revoked. A session of somebody else is answered like one that does not exist.
    #[oai(path = "/account/sessions/:id", method = "delete", operation_id = "end_session")]
    async fn end(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        context: RequestContext,
        /// The session's identifier.
        id: Path<String>,
    ) -> Result<EndReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let origin = Origin::request(&context).by(caller.subject());
        let ended = self.sessions.end_own(caller.subject(), &id.0, &origin).await.map_err(unavailable)?;
        if ended { Ok(EndReply::Ended) } else { Err(Refused::not_found("There is no such session, or it has ended.")) }
    }

    /// End all your sessions
    ///
    /// Needs the scope `account`, in a token for the issuer itself. The session of this token ends too, unless you keep it.
    #[oai(path = "/account/sessions", method = "delete", operation_id = "end_sessions")]
    async fn end_all(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        context: RequestContext,
        /// Whether the session of this token goes on.
        #[oai(default)]
        keep_current: Query<bool>,
    ) -> Result<EndAllReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let origin = Origin::request(&context).by(caller.subject());
        let current = self.sessions.of_token(caller.claims()).await.map_err(unavailable)?;
        let ended = match current.filter(|_| keep_current.0) {
            Some(kept) => self.sessions.end_others(caller.subject(), &kept, &origin).await,
            None => self.sessions.end_all(caller.subject(), &origin).await,
        };
        Ok(EndAllReply::Ended(Json(Ended { ended: ended.map_err(unavailable)? })))
    }
}

fn shown(session: account::Session, current: Option<&str>) -> Session {
    Session {
        current: current == Some(&*session.id),
        id: session.id,
        client_id: session.client_id,
        device: session.device,
        ip: session.ip,
        resource: session.resource_id,
        scope: session.scope,
        created_at: clock::rfc3339(session.created_at),
        last_used_at: clock::rfc3339(session.last_used_at),
        expires_at: clock::rfc3339(session.expires_at),
    }
}
