//! What a token is worth now, for those who must not rely on its signature alone (RFC 7662).

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use shared::access_token::{AccessTokenClaims, AccessTokenVerifier};

use super::{Places, StatusLists};
use crate::{
    client::{self, Client},
    clock, secret,
    signing_key::KeyRing,
    store::{Store, StoreError, refresh_token, user},
};

/// The `typ` of an answer as a JWT (RFC 9701 §5).
const TYPE: &str = "token-introspection+jwt";

/// Looks at tokens.
#[derive(Clone)]
pub(crate) struct Introspector {
    pub(crate) store: Store,
    pub(crate) issuer: String,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) verifier: AccessTokenVerifier,
    pub(crate) places: Places,
    pub(crate) lists: StatusLists,
}

/// What is told of a token (RFC 7662 §2.2): everything, or that it is not active and nothing else.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Introspection {
    Inactive {
        active: bool,
    },
    AccessToken {
        active: bool,
        token_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        #[serde(flatten)]
        claims: Arc<AccessTokenClaims>,
    },
    RefreshToken {
        active: bool,
        iss: String,
        sub: String,
        username: String,
        aud: String,
        client_id: String,
        scope: String,
        iat: i64,
        exp: i64,
    },
}

const INACTIVE: Introspection = Introspection::Inactive { active: false };

impl Introspector {
    /// Looks at a token on behalf of a client. A client is told of tokens that were issued to it, and of access tokens for
    /// the resource that it serves; to everybody else a token is not active.
    pub(crate) async fn introspect(&self, client: &Client, token: &str) -> Result<Introspection, StoreError> {
        if secret::is_well_formed(secret::Kind::RefreshToken, token) {
            return self.refresh_token(client, token).await;
        }
        let Ok(claims) = self.verifier.verify(token).await else { return Ok(INACTIVE) };
        let is_theirs = claims.client_id == client.id() || client.serves().is_some_and(|resource| claims.aud.contains(resource));
        if !is_theirs || !self.stands(&claims).await? {
            return Ok(INACTIVE);
        }
        let user = user::by_id(&self.store, &claims.sub).await?;
        let username = user.map(|user| user.username);
        Ok(Introspection::AccessToken { active: true, token_type: "Bearer", username, claims })
    }

    /// Whether nothing has happened that ends the token before its time.
    async fn stands(&self, claims: &AccessTokenClaims) -> Result<bool, StoreError> {
        let Some(place) = claims.status.as_ref().and_then(|status| self.places.place_of(status)) else { return Ok(false) };
        let now = clock::now();
        // The verifier forgives clocks that differ; here there is one clock.
        Ok(now < claims.exp
            && !self.lists.is_revoked(&place, now).await?
            && client::is_active(&self.store, &claims.client_id).await?)
    }

    async fn refresh_token(&self, client: &Client, token: &str) -> Result<Introspection, StoreError> {
        let Some((link, session)) = refresh_token::by_digest(&self.store, &secret::digest(token)).await? else {
            return Ok(INACTIVE);
        };
        let now = clock::now();
        let is_live = session.client_id == client.id()
            && link.consumed_at.is_none()
            && session.ended_at.is_none()
            && now < link.expires_at.min(session.expires_at);
        let user = user::by_id(&self.store, &session.user_id).await?;
        let holder = user.filter(|user| user.state == user::State::Active && user.generation == session.generation);
        let (true, Some(user)) = (is_live, holder) else { return Ok(INACTIVE) };
        Ok(Introspection::RefreshToken {
            active: true,
            iss: self.issuer.clone(),
            sub: user.id,
            username: user.username,
            aud: session.resource_id,
            client_id: session.client_id,
            scope: session.scope,
            iat: link.issued_at,
            exp: link.expires_at.min(session.expires_at),
        })
    }

    /// The answer as a JWT for this client (RFC 9701 §5).
    pub(crate) fn signed(&self, client: &Client, introspection: &Introspection) -> String {
        let claims: Value =
            json!({"iss": self.issuer, "aud": client.id(), "iat": clock::now(), "token_introspection": introspection});
        self.ring.sign(TYPE, &claims)
    }
}
