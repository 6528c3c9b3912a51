//! The poem side of trusting the issuer: a verified caller as a handler's first argument.
//!
//! [`Guard::protect`] goes around the routes that need a caller. Inside, a poem handler takes a [`Caller`] as an
//! argument, and a poem-openapi API declares a security scheme whose checker is [`authenticate`]:
//!
//! ```
//! use poem_openapi::{OAuthScopes, OpenApi, OpenApiService, SecurityScheme, payload::PlainText};
//! use shared::guard::{Caller, Guard};
//!
//! #[derive(OAuthScopes)]
//! enum ApiScope {
//!     /// Read documents
//!     #[oai(rename = "documents:read")]
//!     DocumentsRead,
//! }
//!
//! /// An access token from the issuer.
//! #[derive(SecurityScheme)]
//! #[oai(rename = "OAuth2", ty = "oauth2", checker = "shared::guard::authenticate",
//!       flows(password(token_url = "/oauth2/token", scopes = "ApiScope")))]
//! struct Authenticated(Caller);
//!
//! struct Api;
//!
//! #[OpenApi]
//! impl Api {
//!     #[oai(path = "/greeting", method = "get")]
//!     async fn greeting(&self, #[oai(scope = "ApiScope::DocumentsRead")] caller: Authenticated) -> poem::Result<PlainText<String>> {
//!         caller.0.require("documents:read")?;
//!         Ok(PlainText(format!("Hello, {}", caller.0.subject())))
//!     }
//! }
//!
//! # fn mount(guard: Guard) -> impl poem::Endpoint {
//! guard.protect(OpenApiService::new(Api, "Greetings", "1.0"))
//! # }
//! ```
//!
//! With [`Guard::enforcing`] the scopes are required as they stand in the `OpenAPI` document, and the handler's own line goes.
//!
//! With [`Guard::api_keys`] callers may also show an API key, in the header `X-API-Key`.
//!
//! A refusal is an error of the handler's arguments. An API that shapes such errors itself (`bad_request_handler`) has
//! to pass [`Refusal`] on, or its callers never see the challenge.

mod api_key;
mod caller;
mod challenge;
mod credentials;
mod refusal;
mod refusals;
mod requirements;
mod source;

use std::sync::Arc;

use poem::{Endpoint, FromRequest, IntoEndpoint, IntoResponse, Request, RequestBody, Response, http::StatusCode};
use poem_openapi::{auth::Bearer, error::AuthorizationError};
use tracing::{error, info};

use crate::access_token::{AccessTokenVerifier, ApiKeys};
use api_key::Barred;
use challenge::ProtectionSpace;
use refusal::Reason;
use requirements::{Requirements, unmet};

pub use api_key::{API_KEY_HEADER, document_api_keys};
pub use caller::Caller;
pub use refusal::Refusal;
pub use refusals::Refusals;
pub use requirements::RequirementsError;

/// Lets callers in who present a good access token, and tells the others what is missing (RFC 6750 §3).
#[derive(Clone, Debug)]
pub struct Guard {
    verifier: AccessTokenVerifier,
    space: Arc<ProtectionSpace>,
    requirements: Option<Arc<Requirements>>,
    keys: Option<ApiKeys>,
}

impl Guard {
    /// A guard for the verifier's resource.
    ///
    /// `realm` and `resource_metadata`, the URL of the resource's metadata (RFC 9728 §3), are told to clients in
    /// every challenge; characters that a quoted attribute may not hold are left out.
    pub fn new(verifier: AccessTokenVerifier, realm: &str, resource_metadata: Option<String>) -> Self {
        Self { verifier, space: Arc::new(ProtectionSpace::new(realm, resource_metadata)), requirements: None, keys: None }
    }

    /// Also takes API keys, in the header `X-API-Key`, and says so in its challenges.
    #[must_use]
    pub fn api_keys(mut self, keys: ApiKeys) -> Self {
        self.space = Arc::new(self.space.taking_api_keys());
        self.keys = Some(keys);
        self
    }

    /// Counts here whom it refuses, and why.
    #[must_use]
    pub fn counting(mut self, refusals: &Refusals) -> Self {
        self.space = Arc::new(self.space.counting(refusals));
        self
    }

    /// Requires of every caller the scopes that this `OpenAPI` document says an operation needs, so that
    /// `#[oai(scope = "…")]` on the operation's security argument is the one place where they are written.
    ///
    /// This holds for operations whose security scheme has [`authenticate`] as its checker; their routes are those of the
    /// document. One that the document does not have lets nobody in.
    pub fn enforcing(mut self, document: &str) -> Result<Self, RequirementsError> {
        self.requirements = Some(Arc::new(Requirements::read(document)?));
        Ok(self)
    }

    /// Hands itself to the checkers inside `routes`, and turns missing and bad credentials into challenges.
    pub fn protect<R>(self, routes: R) -> impl Endpoint<Output = Response>
    where
        R: IntoEndpoint,
        R::Endpoint: 'static,
    {
        Protected { guard: Arc::new(self), routes: routes.into_endpoint() }
    }

    /// Who is calling, by the request's bearer token and nothing else; that may have been exchanged for its API key.
    async fn caller(&self, request: &Request) -> Result<Caller, Refusal> {
        if let Some(Barred(reason)) = request.data::<Barred>() {
            return Err(self.refuse(reason.clone()));
        }
        let token = credentials::bearer_token(request).map_err(|reason| self.refuse(reason))?;
        match self.verifier.verify(token).await {
            Ok(claims) if !source::is_allowed(&claims, request) => Err(self.refuse(Reason::Source)),
            Ok(claims) => Ok(Caller::new(claims, Arc::clone(&self.space))),
            Err(error) => Err(self.refuse(Reason::Token(error))),
        }
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        info!(reason = reason.code(), "Refused a request: {reason}");
        Refusal::new(reason, Arc::clone(&self.space))
    }
}

/// The checker of a poem-openapi security scheme: verifies the bearer token with the [`Guard`] around the routes, and that
/// it allows what the guard enforces.
///
/// The extracted token is not used: what counts is the whole header, and that there is only one.
pub async fn authenticate(request: &Request, _: Bearer) -> poem::Result<Caller> {
    let guard = guard_around(request)?;
    let caller = admitted(guard, request).await?;
    if let Some(requirements) = &guard.requirements {
        let Some(alternatives) = requirements.of(request) else {
            error!("An operation asks for a caller, but its Guard enforces a document without that operation");
            return Err(poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR));
        };
        if let Some(needed) = unmet(alternatives, &caller) {
            caller.require_all(&needed.iter().collect::<Vec<_>>())?;
        }
    }
    Ok(caller)
}

impl<'a> FromRequest<'a> for Caller {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        admitted(guard_around(request)?, request).await
    }
}

/// Who is calling, if they do not call too often.
async fn admitted(guard: &Guard, request: &Request) -> poem::Result<Caller> {
    let caller = guard.caller(request).await?;
    #[cfg(feature = "server")]
    {
        use crate::server::rate_limit::{Allowance, Client, Identity};
        let who =
            Identity { client: Some(Client::Proven(caller.client_id())), subject: Some(caller.subject()), key: caller.actor() };
        Allowance::of(request).spend(who).await?;
    }
    Ok(caller)
}

/// The guard that this request came through.
fn guard_around(request: &Request) -> poem::Result<&Guard> {
    request.data::<Arc<Guard>>().map(|guard| &**guard).ok_or_else(|| {
        // Letting nobody in is the only safe answer to a mistake in the composition.
        error!("A route asks for a caller, but there is no Guard around it");
        poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

/// Routes with a guard around them.
struct Protected<E> {
    guard: Arc<Guard>,
    routes: E,
}

impl<E: Endpoint> Endpoint for Protected<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        // What most requests have no need of is in a box, or they would carry the room for it through every layer.
        if let Some(keys) = &self.guard.keys
            && request.headers().contains_key(API_KEY_HEADER)
        {
            Box::pin(api_key::replace(&self.guard, keys, &mut request)).await;
        }
        if credentials::may_have_second_method(&request) {
            Box::pin(credentials::mark_second_method(&mut request)).await?;
        }
        let barred = request.data::<Barred>().map(|Barred(reason)| reason.clone());
        let missing = barred.or_else(|| credentials::bearer_token(&request).err());
        request.set_data(Arc::clone(&self.guard));
        match self.routes.call(request).await {
            Ok(answer) => Ok(answer.into_response()),
            // poem-openapi never asks the checker when it finds no bearer token; and whoever else says that
            // credentials are wrong, means a challenge, too.
            Err(error) if error.is::<AuthorizationError>() => {
                Ok(self.guard.refuse(missing.unwrap_or(Reason::NoCredentials)).into_response())
            }
            Err(error) if error.is::<Refusal>() => Ok(error.into_response()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
