//! Who is calling, as this service sees it.

use poem_openapi::{Object, OpenApi, payload::Json};
use shared::{guard::Caller, server::problem::Refused};
use time::OffsetDateTime;

use super::{ApiTag, Authenticated, timestamp};

pub(crate) struct MeApi;

/// Who you are, as your access token says.
#[derive(Debug, Object)]
struct Me {
    /// Whom the token speaks for: a user, or the client itself.
    subject: String,
    /// The client that the token was issued to.
    client: String,
    /// What the token allows, sorted.
    scopes: Vec<String>,
    /// Your roles.
    roles: Vec<String>,
    /// When the token was issued.
    issued_at: OffsetDateTime,
    /// When the token expires.
    expires_at: OffsetDateTime,
}

#[OpenApi(tag = "ApiTag::Caller")]
impl MeApi {
    /// Tell who you are
    ///
    /// Answers what this service reads in your access token. It takes a valid token, and no scope or role.
    #[expect(clippy::unused_async, reason = "every operation is asynchronous, whether it waits or not")]
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn me(&self, caller: Authenticated) -> Result<Json<Me>, Refused> {
        Ok(Json(Me::from(&caller.0)))
    }
}

impl From<&Caller> for Me {
    fn from(caller: &Caller) -> Self {
        let claims = caller.claims();
        Self {
            subject: claims.sub.clone(),
            client: claims.client_id.clone(),
            scopes: claims.scope.iter().map(str::to_owned).collect(),
            roles: claims.roles.clone(),
            issued_at: timestamp(claims.iat),
            expires_at: timestamp(claims.exp),
        }
    }
}
