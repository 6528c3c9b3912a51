//! The token endpoint (RFC 6749 §3.2).

use poem::http::HeaderMap;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::{Form, Json},
};
use serde::Deserialize;
use shared::{
    access_token::TOKEN_TYPE_ACCESS_TOKEN,
    scope::Scope,
    server::{context::RequestContext, rate_limit::Allowance},
};
use zeroize::Zeroizing;

use super::{
    client_auth::{self, DocumentedClient},
    error::{ErrorCode, OAuthRefusal},
    fields::{Fields, check_content_type},
    token_requests::TokenRequests,
};
use crate::{
    access::Wish,
    audit::Origin,
    client::{self, Credentials},
    grant::{Grant, GrantType, Grants, Password, RefreshToken, TokenExchange, TokenSet},
    http::ApiTag,
};

/// The token endpoint.
pub(in crate::http) struct TokenApi {
    pub(in crate::http) grants: Grants,
    /// The client of a password or refresh request that names none: only a development server assumes one.
    pub(in crate::http) assumed_client: Option<&'static str>,
    pub(in crate::http) requests: TokenRequests,
}

/// The parameters of every grant. An empty one is the same as none; unknown ones are passed over.
#[derive(Object, Deserialize)]
#[serde(try_from = "Fields")]
pub(super) struct TokenForm {
    /// `password`, `client_credentials`, `refresh_token` or `urn:ietf:params:oauth:grant-type:token-exchange`
    pub(super) grant_type: Option<String>,
    /// Who logs in (`password`)
    pub(super) username: Option<String>,
    /// Their password (`password`)
    #[oai(validator(max_length = 1024))]
    pub(super) password: Option<String>,
    /// The refresh token (`refresh_token`)
    pub(super) refresh_token: Option<String>,
    /// The API key (token exchange, RFC 8693)
    subject_token: Option<String>,
    /// `urn:x-oauth:token-type:api-key` (token exchange)
    subject_token_type: Option<String>,
    /// `urn:ietf:params:oauth:token-type:access_token`, if anything (token exchange)
    requested_token_type: Option<String>,
    /// What the token should allow, separated by spaces; without it, everything at the client's default resource that the
    /// subject's roles hold
    pub(super) scope: Option<String>,
    /// The protected resource the token is for (RFC 8707)
    resource: Option<String>,
    /// The client, unless the Authorization header names it
    pub(super) client_id: Option<String>,
    /// Its secret, unless the Authorization header holds it
    pub(super) client_secret: Option<String>,
    #[oai(skip)]
    further_resources: Vec<String>,
    #[oai(skip)]
    is_beyond_us: bool,
}

/// How the token endpoint grants.
#[derive(ApiResponse)]
enum Granted {
    /// The grant was accepted (RFC 6749 §5.1).
    #[oai(status = 200)]
    Issued(Json<TokenResponse>, #[oai(header = "Cache-Control")] String, #[oai(header = "Pragma")] String),
}

/// Tokens (RFC 6749 §5.1).
#[derive(Object)]
struct TokenResponse {
    /// An RS256-signed JWT after RFC 9068; clients treat it as opaque.
    access_token: String,
    /// `Bearer`
    token_type: String,
    /// Seconds until the access token ends.
    expires_in: i64,
    /// What the access token allows: perhaps less than was asked for.
    scope: String,
    /// Good for the next tokens, once (RFC 6749 §6): every use gives the next one.
    #[oai(skip_serializing_if_is_none)]
    refresh_token: Option<String>,
    /// What was issued in exchange for an API key (RFC 8693 §2.2.1): an access token.
    #[oai(skip_serializing_if_is_none)]
    issued_token_type: Option<String>,
}

#[OpenApi(tag = "ApiTag::Tokens")]
impl TokenApi {
    /// Exchange a grant for tokens
    ///
    /// The client shows its credentials by HTTP Basic or in the body; a public client shows its `client_id` only.
    #[oai(path = "/oauth2/token", method = "post", operation_id = "token")]
    async fn token(
        &self,
        _client: DocumentedClient,
        context: RequestContext,
        allowance: Allowance,
        headers: &HeaderMap,
        form: Form<TokenForm>,
    ) -> Result<Granted, OAuthRefusal> {
        let grant_type = form.0.grant_type.as_deref().and_then(GrantType::named);
        let answer = self.answer(&context, &allowance, headers, form.0).await;
        self.requests.count(grant_type, &answer);
        answer
    }
}

impl TokenApi {
    async fn answer(
        &self,
        context: &RequestContext,
        allowance: &Allowance,
        headers: &HeaderMap,
        form: TokenForm,
    ) -> Result<Granted, OAuthRefusal> {
        check_content_type(headers).map_err(OAuthRefusal::invalid_request)?;
        let (credentials, grant) = self.read(headers, form)?;
        let origin = Origin::request(context);
        let client = self.grants.clients.authenticate(&credentials, &origin).await?;
        client_auth::spend(allowance, &client).await?;
        let issued_token_type = match grant.grant_type() {
            GrantType::TokenExchange => Some(TOKEN_TYPE_ACCESS_TOKEN.to_owned()),
            GrantType::Password | GrantType::ClientCredentials | GrantType::RefreshToken => None,
        };
        let tokens = self.grants.exchange(&client, grant, &origin).await?;
        Ok(Granted::new(tokens, issued_token_type))
    }

    fn read(&self, headers: &HeaderMap, form: TokenForm) -> Result<(Credentials, Grant), OAuthRefusal> {
        let grant_type = form.grant_type.ok_or_else(|| OAuthRefusal::invalid_request("grant_type is missing"))?;
        let grant_type = GrantType::named(&grant_type)
            .ok_or_else(|| OAuthRefusal::bad_request(ErrorCode::UnsupportedGrantType, "there is no such grant type here"))?;
        let secret = form.client_secret.map(Zeroizing::new);
        let assumed = match grant_type {
            GrantType::Password | GrantType::RefreshToken => self.assumed_client,
            GrantType::ClientCredentials => None,
            GrantType::TokenExchange => Some(client::API_KEY),
        };
        let credentials = client_auth::read(headers, form.client_id, secret, assumed)?;
        let wish =
            Wish { scope: read_scope(form.scope)?, resources: form.resource.into_iter().chain(form.further_resources).collect() };
        let missing = |name: &str| OAuthRefusal::invalid_request(&format!("{name} is missing"));
        let grant = match grant_type {
            GrantType::Password => Grant::Password(Password {
                username: form.username.ok_or_else(|| missing("username"))?,
                secret: Zeroizing::new(form.password.ok_or_else(|| missing("password"))?),
                wish,
            }),
            GrantType::ClientCredentials => Grant::ClientCredentials(wish),
            GrantType::RefreshToken => Grant::RefreshToken(RefreshToken {
                token: Zeroizing::new(form.refresh_token.ok_or_else(|| missing("refresh_token"))?),
                wish,
            }),
            GrantType::TokenExchange => Grant::TokenExchange(TokenExchange {
                subject_token: Zeroizing::new(form.subject_token.ok_or_else(|| missing("subject_token"))?),
                subject_token_type: form.subject_token_type.ok_or_else(|| missing("subject_token_type"))?,
                requested_token_type: form.requested_token_type,
                is_beyond_us: form.is_beyond_us,
                wish,
            }),
        };
        Ok((credentials, grant))
    }
}

fn read_scope(scope: Option<String>) -> Result<Option<Scope>, OAuthRefusal> {
    let parsed = scope.map(|scope| scope.parse()).transpose();
    parsed.map_err(|error: shared::scope::ScopeError| OAuthRefusal::bad_request(ErrorCode::InvalidScope, &error.to_string()))
}

impl TryFrom<Fields> for TokenForm {
    type Error = &'static str;

    fn try_from(mut fields: Fields) -> Result<Self, &'static str> {
        let mut resources = fields.many("resource").into_iter();
        let form = Self {
            grant_type: fields.one("grant_type")?,
            username: fields.one("username")?,
            password: fields.one("password")?,
            refresh_token: fields.one("refresh_token")?,
            subject_token: fields.one("subject_token")?,
            subject_token_type: fields.one("subject_token_type")?,
            requested_token_type: fields.one("requested_token_type")?,
            scope: fields.one("scope")?,
            resource: resources.next(),
            client_id: fields.one("client_id")?,
            client_secret: fields.one("client_secret")?,
            further_resources: resources.collect(),
            is_beyond_us: fields.one("actor_token")?.is_some() | fields.one("audience")?.is_some(),
        };
        fields.finish()?;
        Ok(form)
    }
}

impl Granted {
    fn new(tokens: TokenSet, issued_token_type: Option<String>) -> Self {
        let TokenSet { access_token, refresh_token } = tokens;
        let body = TokenResponse {
            access_token: access_token.value,
            token_type: "Bearer".to_owned(),
            expires_in: access_token.expires_in,
            scope: access_token.scope.to_string(),
            refresh_token: refresh_token.map(|token| token.to_string()),
            issued_token_type,
        };
        Self::Issued(Json(body), "no-store".to_owned(), "no-cache".to_owned())
    }
}
