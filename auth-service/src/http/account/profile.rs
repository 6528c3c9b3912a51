//! Who the caller is, as the issuer knows them.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use shared::server::problem::Refused;

use crate::{
    account::Profiles,
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
        problem::unavailable,
    },
};

/// The caller's profile.
pub(in crate::http) struct ProfileApi {
    pub(in crate::http) profiles: Profiles,
}

/// An account.
#[derive(Object)]
struct Profile {
    /// The identifier: the `sub` of the account's tokens.
    id: String,
    /// The name the person logs in with.
    username: String,
    /// The roles the account holds now; a token may be older.
    roles: Vec<String>,
    /// When the account was created, RFC 3339.
    created_at: String,
}

/// How the profile is answered.
#[derive(ApiResponse)]
enum ProfileReply {
    /// The account.
    #[oai(status = 200)]
    Profile(Json<Profile>),
}

#[OpenApi(tag = "ApiTag::Account")]
impl ProfileApi {
    /// Who am I?
    ///
    /// Needs the scope `account`, in a token for the issuer itself.
    #[oai(path = "/account", method = "get", operation_id = "read_account")]
    async fn profile(&self, #[oai(scope = "ApiScope::Account")] caller: Authenticated) -> Result<ProfileReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let found = self.profiles.of(caller.subject()).await.map_err(unavailable)?;
        let profile = found.ok_or_else(|| Refused::not_found("this token does not speak for a person with an account"))?;
        Ok(ProfileReply::Profile(Json(Profile {
            id: profile.id,
            username: profile.username,
            roles: profile.roles,
            created_at: clock::rfc3339(profile.created_at),
        })))
    }
}
