//! The password of a user, given by an administrator.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path},
    payload::Json,
};
use secrecy::ExposeSecret;
use shared::server::{context::RequestContext, entity_tag::Precondition, json_string::JsonString, problem::Refused};

use super::yes;
use crate::{
    admin::{Gate, Users},
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

/// The passwords of users.
pub(in crate::http) struct UserPasswordApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) users: Users,
}

/// Another password for a user.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct UserPassword {
    /// The password; without one, one is made and shown in the answer, once.
    #[oai(validator(max_length = 256))]
    password: Option<JsonString>,
    /// Whether it is only good for choosing another one. It always is when it was made here.
    #[oai(default = "yes")]
    must_change: bool,
}

/// A password that was made.
#[derive(Object)]
struct MadePassword {
    /// The password. It is shown this once.
    password: String,
}

/// How a new password is answered.
#[derive(ApiResponse)]
enum PasswordReply {
    /// A password was made; here it is.
    #[oai(status = 200)]
    Made(Json<MadePassword>),
    /// The password is set.
    #[oai(status = 204)]
    Set,
}

#[OpenApi(prefix_path = "/admin/users", tag = "ApiTag::Administration")]
impl UserPasswordApi {
    /// Set a user's password
    ///
    /// Ends the user's sessions and revokes their access tokens. Takes the scope `admin:users`, and that the user does not
    /// rank equal or higher. Nobody sets their own here.
    #[oai(path = "/:id/password", method = "put", operation_id = "set_user_password")]
    async fn set(
        &self,
        #[oai(scope = "ApiScope::AdminUsers")] caller: Authenticated,
        context: RequestContext,
        /// The user's identifier.
        id: Path<String>,
        /// Entity tags of the versions of the user that you mean to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        new: Json<UserPassword>,
    ) -> Result<PasswordReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_USERS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        let given = new.0.password.as_ref().map(|password| password.0.as_str());
        let made = self.users.set_password(&actor, &id.0, &precondition, given, new.0.must_change).await?;
        Ok(made.map_or(PasswordReply::Set, |made| {
            PasswordReply::Made(Json(MadePassword { password: made.expose_secret().to_owned() }))
        }))
    }
}
