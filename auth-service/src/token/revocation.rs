//! Revocation by the client that holds a token (RFC 7009).

use shared::access_token::AccessTokenVerifier;

use super::{Places, StatusLists};
use crate::{
    audit::{Event, Origin},
    client::Client,
    clock, secret,
    store::{
        Store, StoreError, refresh_token,
        session::{self, Ended, Which},
        status_list,
    },
};

/// Revokes tokens.
#[derive(Clone)]
pub(crate) struct Revoker {
    pub(crate) store: Store,
    pub(crate) verifier: AccessTokenVerifier,
    pub(crate) places: Places,
    pub(crate) lists: StatusLists,
}

/// Why a token was not revoked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevocationError {
    /// It was issued to another client.
    #[error("the token was issued to another client")]
    NotYours,
    /// The database could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Revoker {
    /// Revokes a token of either kind: a refresh token with its whole family, an access token by itself. One that is
    /// unknown, or has ended, needs no revoking (RFC 7009 §2.2). The kind is told by its form, so no hint is needed.
    pub(crate) async fn revoke(&self, client: &Client, token: &str, origin: &Origin) -> Result<(), RevocationError> {
        if secret::is_well_formed(secret::Kind::RefreshToken, token) {
            self.revoke_refresh_token(client, token, origin).await?;
        } else if let Ok(claims) = self.verifier.verify(token).await {
            if claims.client_id != client.id() {
                return Err(RevocationError::NotYours);
            }
            let Some(place) = claims.status.as_ref().and_then(|status| self.places.place_of(status)) else { return Ok(()) };
            let event = origin.record(Event::AccessTokenRevoked, Some(&claims.sub), Some(client.id()));
            status_list::revoke_one(&self.store, place, clock::now(), event).await?;
        }
        self.lists.changed().await;
        Ok(())
    }

    async fn revoke_refresh_token(&self, client: &Client, token: &str, origin: &Origin) -> Result<(), RevocationError> {
        let Some((_, session)) = refresh_token::by_digest(&self.store, &secret::digest(token)).await? else { return Ok(()) };
        if session.client_id != client.id() {
            return Err(RevocationError::NotYours);
        }
        let event = origin.record(Event::SessionEnded(Ended::Revoked), Some(&session.user_id), Some(client.id()));
        session::end(&self.store, Which::One(&session.id), Ended::Revoked, clock::now(), event).await?;
        Ok(())
    }
}
