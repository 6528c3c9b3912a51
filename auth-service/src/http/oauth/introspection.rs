//! The introspection endpoint (RFC 7662 §2), with answers as JSON or, where asked for, as a JWT (RFC 9701).

use poem::http::{HeaderMap, header};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::{Form, PlainText},
};
use serde::Deserialize;
use shared::server::{context::RequestContext, rate_limit::Allowance};
use zeroize::Zeroizing;

use super::{
    client_auth::{self, DocumentedClient},
    error::OAuthRefusal,
    fields::{Fields, TokenFields, check_content_type},
    verbatim::Verbatim,
};
use crate::{
    audit::Origin,
    client::{Clients, Kind},
    http::ApiTag,
    token::Introspector,
};

const JWT: &str = "application/token-introspection+jwt";

/// The introspection endpoint.
pub(in crate::http) struct IntrospectionApi {
    pub(in crate::http) clients: Clients,
    pub(in crate::http) introspector: Introspector,
}

/// The parameters of RFC 7662 §2.1.
#[derive(Object, Deserialize)]
#[serde(try_from = "Fields")]
struct IntrospectionForm {
    /// The token to look at
    token: Option<String>,
    /// `refresh_token` or `access_token`: only a hint, and not needed
    token_type_hint: Option<String>,
    /// The client, unless the Authorization header names it
    client_id: Option<String>,
    /// Its secret, unless the Authorization header holds it
    client_secret: Option<String>,
}

/// What a token is worth now (RFC 7662 §2.2). Of a token that is not active, nothing else is told.
#[derive(Object)]
struct IntrospectionResponse {
    /// Whether the token can be used.
    active: bool,
    /// What it allows.
    scope: Option<String>,
    /// The client it was issued to.
    client_id: Option<String>,
    /// The name of the person it speaks for.
    username: Option<String>,
    /// `Bearer`
    token_type: Option<String>,
    /// When it ends, in seconds since 1970.
    exp: Option<i64>,
    /// When it was issued.
    iat: Option<i64>,
    /// From when on it is valid.
    nbf: Option<i64>,
    /// Whom it speaks for.
    sub: Option<String>,
    /// The resource it is meant for.
    aud: Option<String>,
    /// Who issued it.
    iss: Option<String>,
    /// Its own identifier.
    jti: Option<String>,
}

/// How the introspection endpoint answers.
#[derive(ApiResponse)]
enum Introspected {
    /// What the token is worth.
    #[oai(status = 200)]
    Json(Verbatim<IntrospectionResponse>),
    /// The same as a signed JWT, for `Accept: application/token-introspection+jwt` (RFC 9701).
    #[oai(status = 200, content_type = "application/token-introspection+jwt")]
    Jwt(PlainText<String>),
}

#[OpenApi(tag = "ApiTag::Tokens")]
impl IntrospectionApi {
    /// Ask what a token is worth now
    ///
    /// For confidential clients, about tokens that were issued to them or for the resource that they serve. A token that is
    /// unknown, expired, revoked or none of the client's business is `{"active":false}`.
    #[oai(path = "/oauth2/introspect", method = "post", operation_id = "introspect")]
    async fn introspect(
        &self,
        _client: DocumentedClient,
        context: RequestContext,
        allowance: Allowance,
        headers: &HeaderMap,
        form: Form<IntrospectionForm>,
    ) -> Result<Introspected, OAuthRefusal> {
        check_content_type(headers).map_err(OAuthRefusal::invalid_request)?;
        let form = form.0;
        let credentials = client_auth::read(headers, form.client_id, form.client_secret.map(Zeroizing::new), None)?;
        let client = self.clients.authenticate(&credentials, &Origin::request(&context)).await?;
        match client.kind() {
            Kind::Confidential => {}
            // Whoever knows a public client's name could look through tokens otherwise (RFC 7662 §4).
            Kind::Public => return Err(OAuthRefusal::invalid_client()),
        }
        client_auth::spend(&allowance, &client).await?;
        let token = Zeroizing::new(form.token.ok_or_else(|| OAuthRefusal::invalid_request("token is missing"))?);
        let introspection = self.introspector.introspect(&client, &token).await?;
        if asks_for_jwt(headers) {
            return Ok(Introspected::Jwt(PlainText(self.introspector.signed(&client, &introspection))));
        }
        let body = serde_json::to_string(&introspection).expect("an introspection is plain JSON");
        Ok(Introspected::Json(Verbatim::new(body)))
    }
}

impl TryFrom<Fields> for IntrospectionForm {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, &'static str> {
        let TokenFields { token, token_type_hint, client_id, client_secret } = fields.try_into()?;
        Ok(Self { token, token_type_hint, client_id, client_secret })
    }
}

fn asks_for_jwt(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(JWT))
}
