//! Registration: an account for whoever the operator lets in.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use shared::server::{context::RequestContext, json_string::JsonString, problem::Refused};
use zeroize::Zeroizing;

use crate::{account::Registrations, audit::Origin, http::ApiTag};

/// Registration.
pub(in crate::http) struct RegistrationApi {
    pub(in crate::http) registrations: Registrations,
}

/// Who wants an account. What else an account has, its roles above all, is not theirs to choose.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewAccount {
    /// The name to log in with: 2 to 64 ASCII letters, digits, and between them `.`, `_` or `-`. Case makes no other name.
    #[oai(validator(max_length = 1024))]
    username: JsonString,
    /// The password: long enough, not a common one, not made of the name. Any characters will do.
    #[oai(validator(max_length = 1024))]
    password: JsonString,
    /// The code of an invitation, where one is needed.
    #[oai(validator(max_length = 256))]
    invitation: Option<JsonString>,
}

/// An account that was registered.
#[derive(Object)]
struct Registered {
    /// The identifier: the `sub` of the account's tokens.
    id: String,
    /// The name to log in with.
    username: String,
}

/// How a registration is answered.
#[derive(ApiResponse)]
enum RegistrationReply {
    /// There is an account now; log in to use it.
    #[oai(status = 201)]
    Registered(Json<Registered>),
}

#[OpenApi(tag = "ApiTag::Account")]
impl RegistrationApi {
    /// Register
    ///
    /// Where registration is closed, which is the default, the answer is 404. Where it takes an invitation, the answer
    /// without a good one is 403, whatever the name. A name that is taken is answered with 409: a network that asks for many
    /// names is answered with 429 for a day.
    #[oai(path = "/registration", method = "post", operation_id = "register")]
    async fn register(&self, context: RequestContext, body: Json<NewAccount>) -> Result<RegistrationReply, Refused> {
        let NewAccount { username, password, invitation } = body.0;
        let (password, invitation) = (Zeroizing::new(password.0), invitation.map(|code| Zeroizing::new(code.0)));
        let invitation = invitation.as_ref().map(|code| code.as_str());
        let id = self.registrations.register(&username.0, &password, invitation, &Origin::request(&context)).await?;
        Ok(RegistrationReply::Registered(Json(Registered { id, username: username.0 })))
    }
}
