//! A client application: how it shows which one it is, and how it asks for tokens.

use base64::{Engine, prelude::BASE64_STANDARD};
use url::form_urlencoded;

use crate::{Answer, Call, Http, Tokens};

/// A client application.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    auth: Http,
    identity: Identity,
    scope: Option<String>,
    resources: Vec<String>,
}

/// How a client shows which one it is (RFC 6749 §2.3).
#[derive(Clone, Debug)]
enum Identity {
    Nobody,
    Public(String),
    Basic(String, String),
    Body(String, String),
}

impl OAuthClient {
    /// The public client that every development server knows.
    pub fn first_party(auth: Http) -> Self {
        Self { auth, identity: Identity::Public("first-party".to_owned()), scope: None, resources: Vec::new() }
    }

    /// A client that does not say which one it is.
    #[must_use]
    pub fn unnamed(self) -> Self {
        Self { identity: Identity::Nobody, ..self }
    }

    /// A public client, which has no secret.
    #[must_use]
    pub fn public(self, id: &str) -> Self {
        Self { identity: Identity::Public(id.to_owned()), ..self }
    }

    /// A client that authenticates by HTTP Basic.
    #[must_use]
    pub fn basic(self, id: &str, secret: &str) -> Self {
        Self { identity: Identity::Basic(id.to_owned(), secret.to_owned()), ..self }
    }

    /// A client that authenticates in the body.
    #[must_use]
    pub fn in_body(self, id: &str, secret: &str) -> Self {
        Self { identity: Identity::Body(id.to_owned(), secret.to_owned()), ..self }
    }

    /// Asks for this scope from now on.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        Self { scope: Some(scope.to_owned()), ..self }
    }

    /// Asks for a token for this resource, too, from now on (RFC 8707 §2).
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        self.resources.push(resource.to_owned());
        self
    }

    /// Shows a user's password (RFC 6749 §4.3).
    pub async fn password(&self, username: &str, password: &str) -> Answer {
        self.password_request(username, password).send().await
    }

    /// Shows a user's password, and expects an access token for it.
    pub async fn log_in(&self, username: &str, password: &str) -> String {
        self.password(username, password).await.assert_tokens()
    }

    /// The request that shows a user's password, not yet sent.
    pub fn password_request(&self, username: &str, password: &str) -> Call {
        self.request(&[("grant_type", "password"), ("username", username), ("password", password)])
    }

    /// Shows a user's password, and expects an access token and a refresh token for it.
    pub async fn open_session(&self, username: &str, password: &str) -> Tokens {
        Tokens::of(&self.password(username, password).await)
    }

    /// Shows a refresh token (RFC 6749 §6).
    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.refresh_request(refresh_token).send().await
    }

    /// Shows a refresh token, and expects the next pair of tokens for it.
    pub async fn next_tokens(&self, refresh_token: &str) -> Tokens {
        Tokens::of(&self.refresh(refresh_token).await)
    }

    /// The request that shows a refresh token, not yet sent.
    pub fn refresh_request(&self, refresh_token: &str) -> Call {
        self.request(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    /// Asks for a token on the client's own behalf (RFC 6749 §4.4).
    pub async fn client_credentials(&self) -> Answer {
        self.request(&[("grant_type", "client_credentials")]).send().await
    }

    /// Shows an API key for an access token (RFC 8693).
    pub async fn exchange(&self, api_key: &str) -> Answer {
        self.exchange_request(api_key).send().await
    }

    /// The request that shows an API key, not yet sent.
    pub fn exchange_request(&self, api_key: &str) -> Call {
        self.request(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", api_key),
            ("subject_token_type", "urn:x-oauth:token-type:api-key"),
        ])
    }

    /// Revokes a token (RFC 7009).
    pub async fn revoke(&self, token: &str) -> Answer {
        self.request_at("/oauth2/revoke", &[("token", token)]).send().await
    }

    /// Asks what a token is worth now (RFC 7662).
    pub async fn introspect(&self, token: &str) -> Answer {
        self.request_at("/oauth2/introspect", &[("token", token)]).send().await
    }

    /// A token request with these parameters and whatever this client adds to each, not yet sent.
    pub fn request(&self, parameters: &[(&str, &str)]) -> Call {
        let mut form = parameters.to_vec();
        form.extend(self.scope.iter().map(|scope| ("scope", scope.as_str())));
        form.extend(self.resources.iter().map(|resource| ("resource", resource.as_str())));
        self.request_at("/oauth2/token", &form)
    }

    /// A request with these parameters at any endpoint where clients authenticate, not yet sent.
    pub fn request_at(&self, path: &str, parameters: &[(&str, &str)]) -> Call {
        let mut form = parameters.to_vec();
        let call = self.auth.post(path);
        match &self.identity {
            Identity::Nobody => {}
            Identity::Public(id) => form.push(("client_id", id)),
            Identity::Body(id, secret) => form.extend([("client_id", id.as_str()), ("client_secret", secret)]),
            Identity::Basic(id, secret) => return call.header("authorization", basic(id, secret)).form(&form),
        }
        call.form(&form)
    }
}

/// The header of a client: identifier and secret are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}
