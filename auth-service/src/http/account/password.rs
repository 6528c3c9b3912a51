//! The caller's password.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use shared::server::{context::RequestContext, json_string::JsonString, problem::Refused};
use zeroize::Zeroizing;

use crate::{
    account::PasswordChange,
    audit::Origin,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

/// Changing one's own password.
pub(in crate::http) struct PasswordApi {
    pub(in crate::http) passwords: PasswordChange,
}

/// A new password, and the proof that it is yours to choose.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewPassword {
    /// The password you have.
    #[oai(validator(max_length = 1024))]
    current_password: JsonString,
    /// The password you want: long enough, not a common one, not made of your name. Any characters will do.
    #[oai(validator(max_length = 1024))]
    new_password: JsonString,
}

/// A new password in place of one that is good for nothing else.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct ForcedPassword {
    /// The name you log in with.
    #[oai(validator(max_length = 1024))]
    username: JsonString,
    /// The password you were given.
    #[oai(validator(max_length = 1024))]
    current_password: JsonString,
    /// The password you want: long enough, not a common one, not made of your name. Any characters will do.
    #[oai(validator(max_length = 1024))]
    new_password: JsonString,
}

/// How a change of password is answered.
#[derive(ApiResponse)]
enum PasswordReply {
    /// The new password is the one that counts.
    #[oai(status = 204)]
    Changed,
}

#[OpenApi(tag = "ApiTag::Account")]
impl PasswordApi {
    /// Change your password
    ///
    /// Needs the scope `account`, in a token for the issuer itself. Your other sessions end, and their access tokens are
    /// revoked; the session of this token goes on. A wrong current password is answered with 403 and counts like a login
    /// that failed: too many are answered with 429.
    #[oai(path = "/account/password", method = "put", operation_id = "change_password")]
    async fn change(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        context: RequestContext,
        body: Json<NewPassword>,
    ) -> Result<PasswordReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let (current, new) = (Zeroizing::new(body.0.current_password.0), Zeroizing::new(body.0.new_password.0));
        let origin = Origin::request(&context).by(caller.subject());
        self.passwords.own(caller.claims(), &current, &new, &origin).await?;
        Ok(PasswordReply::Changed)
    }

    /// Choose a password in place of the one you were given
    ///
    /// For an account whose password must be changed before anything else: nobody can log in with it, so this takes no
    /// token. Whatever is wrong with name and current password is answered with the same 403 and counts like a login that
    /// failed, also for an account whose password need not be changed.
    #[oai(path = "/account/password", method = "post", operation_id = "choose_password")]
    async fn choose(&self, context: RequestContext, body: Json<ForcedPassword>) -> Result<PasswordReply, Refused> {
        let (current, new) = (Zeroizing::new(body.0.current_password.0), Zeroizing::new(body.0.new_password.0));
        self.passwords.forced(&body.0.username.0, &current, &new, &Origin::request(&context)).await?;
        Ok(PasswordReply::Changed)
    }
}
