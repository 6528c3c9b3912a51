//! The revocation endpoint (RFC 7009 §2).

use poem::http::HeaderMap;
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Form};
use serde::Deserialize;
use shared::server::{context::RequestContext, rate_limit::Allowance};
use zeroize::Zeroizing;

use super::{
    client_auth::{self, DocumentedClient},
    error::{ErrorCode, OAuthRefusal},
    fields::{Fields, TokenFields, check_content_type},
};
use crate::{
    audit::Origin,
    client::Clients,
    http::ApiTag,
    token::{RevocationError, Revoker},
};

/// The revocation endpoint.
pub(in crate::http) struct RevocationApi {
    pub(in crate::http) clients: Clients,
    pub(in crate::http) revoker: Revoker,
}

/// The parameters of RFC 7009 §2.1.
#[derive(Object, Deserialize)]
#[serde(try_from = "Fields")]
struct RevocationForm {
    /// The refresh token or access token to revoke
    token: Option<String>,
    /// `refresh_token` or `access_token`: only a hint, and not needed
    token_type_hint: Option<String>,
    /// The client, unless the Authorization header names it
    client_id: Option<String>,
    /// Its secret, unless the Authorization header holds it
    client_secret: Option<String>,
}

/// How the revocation endpoint answers.
#[derive(ApiResponse)]
enum Revoked {
    /// The token is worth nothing any more, or never was anything.
    #[oai(status = 200)]
    Done,
}

#[OpenApi(tag = "ApiTag::Tokens")]
impl RevocationApi {
    /// Revoke a token
    ///
    /// A refresh token is revoked with every token of its session, an access token by itself. Resource servers that follow
    /// the status lists refuse the access tokens within seconds. A token that nobody knows is answered like one that was
    /// revoked (RFC 7009 §2.2); one that was issued to another client is refused.
    #[oai(path = "/oauth2/revoke", method = "post", operation_id = "revoke")]
    async fn revoke(
        &self,
        _client: DocumentedClient,
        context: RequestContext,
        allowance: Allowance,
        headers: &HeaderMap,
        form: Form<RevocationForm>,
    ) -> Result<Revoked, OAuthRefusal> {
        check_content_type(headers).map_err(OAuthRefusal::invalid_request)?;
        let form = form.0;
        let credentials = client_auth::read(headers, form.client_id, form.client_secret.map(Zeroizing::new), None)?;
        let origin = Origin::request(&context);
        let client = self.clients.authenticate(&credentials, &origin).await?;
        client_auth::spend(&allowance, &client).await?;
        let token = Zeroizing::new(form.token.ok_or_else(|| OAuthRefusal::invalid_request("token is missing"))?);
        self.revoker.revoke(&client, &token, &origin).await?;
        Ok(Revoked::Done)
    }
}

impl TryFrom<Fields> for RevocationForm {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, &'static str> {
        let TokenFields { token, token_type_hint, client_id, client_secret } = fields.try_into()?;
        Ok(Self { token, token_type_hint, client_id, client_secret })
    }
}

impl From<RevocationError> for OAuthRefusal {
    fn from(error: RevocationError) -> Self {
        match error {
            RevocationError::NotYours => {
                Self::bad_request(ErrorCode::UnauthorizedClient, "the token was issued to another client")
            }
            RevocationError::Store(error) => error.into(),
        }
    }
}
