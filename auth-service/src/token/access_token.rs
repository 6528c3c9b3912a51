//! Access tokens (RFC 9068).

use std::{sync::Arc, time::Duration};

use shared::{
    access_token::{ACCESS_TOKEN_TYPE, AccessTokenClaims, Actor},
    scope::Scope,
};

use super::Places;
use crate::{access::Access, client::Client, clock, id, signing_key::KeyRing, store::status_list::Place};

/// A token that can change who may do what lives no longer than this.
const MAX_ADMIN_LIFETIME: Duration = Duration::from_mins(5);
const ADMIN_SCOPE_PREFIX: &str = "admin:";

/// Signs tokens in the issuer's name.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) places: Places,
    pub(crate) lifetime: Duration,
}

/// Whom a token speaks for.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) roles: Vec<String>,
    /// When the person logged in; a client on its own behalf has not.
    pub(crate) auth_time: Option<i64>,
}

/// The API key that acts for a subject.
#[derive(Clone, Debug)]
pub(crate) struct Acting {
    pub(crate) key_id: String,
    /// When the key ends: no token of it lives longer.
    pub(crate) until: i64,
    /// The networks it is good from; empty: any.
    pub(crate) sources: Vec<String>,
}

/// An access token, ready to be handed out.
pub(crate) struct AccessToken {
    pub(crate) value: String,
    /// When it ends.
    pub(crate) expires_at: i64,
    /// Seconds until then.
    pub(crate) expires_in: i64,
    pub(crate) scope: Scope,
}

impl Issuer {
    /// Issues an access token that can be revoked at this place (RFC 9068 §2.2).
    pub(crate) fn access_token(&self, client: &Client, subject: Subject, access: Access, place: &Place, now: i64) -> AccessToken {
        self.signed(self.claims(client, subject, access, place, now))
    }

    /// Issues an access token for an API key, which names the key as the one who acts (RFC 8693 §4.1).
    pub(crate) fn exchanged_token(
        &self,
        client: &Client,
        subject: Subject,
        access: Access,
        place: &Place,
        now: i64,
        acting: Acting,
    ) -> AccessToken {
        let claims = self.claims(client, subject, access, place, now);
        let exp = claims.exp.min(acting.until);
        self.signed(AccessTokenClaims { exp, act: Some(Actor { sub: acting.key_id }), sources: acting.sources, ..claims })
    }

    fn claims(&self, client: &Client, subject: Subject, access: Access, place: &Place, now: i64) -> AccessTokenClaims {
        let expires_in = clock::seconds(self.lifetime_of(client, &access.scope));
        AccessTokenClaims {
            iss: self.name.clone(),
            sub: subject.id,
            aud: access.resource.into(),
            client_id: client.id().to_owned(),
            iat: now,
            nbf: Some(now),
            exp: now + expires_in,
            jti: id::access_token(),
            scope: access.scope,
            roles: subject.roles,
            auth_time: subject.auth_time,
            acr: None,
            amr: if subject.auth_time.is_some() { vec!["pwd".to_owned()] } else { Vec::new() },
            status: Some(self.places.status(place)),
            act: None,
            sources: Vec::new(),
            cnf: None,
        }
    }

    fn signed(&self, claims: AccessTokenClaims) -> AccessToken {
        let value = self.ring.sign(ACCESS_TOKEN_TYPE, &claims);
        AccessToken { value, expires_at: claims.exp, expires_in: claims.exp - claims.iat, scope: claims.scope }
    }

    fn lifetime_of(&self, client: &Client, scope: &Scope) -> Duration {
        let lifetime = client.access_token_lifetime().unwrap_or(self.lifetime);
        let is_administrative = scope.iter().any(|token| token.starts_with(ADMIN_SCOPE_PREFIX));
        if is_administrative { lifetime.min(MAX_ADMIN_LIFETIME) } else { lifetime }
    }
}
