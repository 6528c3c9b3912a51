//! Refreshing (RFC 6749 §6, RFC 9700 §4.14): every use exchanges the token for its successor.
//!
//! A token that comes a second time tells of a thief, or of an answer that got lost. While the successor is unused and the
//! grace has not passed, it is taken for the latter and answered with the same successor; otherwise the family ends.

use aws_lc_rs::hmac;
use shared::scope::Scope;
use zeroize::Zeroizing;

use super::{GrantError, Grants, TokenSet, session::Lifetimes};
use crate::{
    access::{self, Access, AccessError, Limits, Wish},
    audit::{Event, Origin, RefreshRefusal},
    client::Client,
    clock, secret,
    store::{
        audit_event,
        refresh_token::{self, Model as Link, Standing},
        rotation::{self, Exchange, Rotation},
        session::{self, Ended, Which},
        status_list::Place,
        user,
    },
    token::Subject,
};

/// Whatever is wrong with a refresh token, this is all that is said.
const REFUSED: &str = "the refresh token is unknown, expired, revoked or was issued to another client";

/// The parameters of RFC 6749 §6.
pub(crate) struct RefreshToken {
    pub(crate) token: Zeroizing<String>,
    pub(crate) wish: Wish,
}

pub(super) async fn exchange(
    grants: &Grants,
    client: &Client,
    grant: RefreshToken,
    origin: &Origin,
) -> Result<TokenSet, GrantError> {
    let now = clock::now();
    // Twice at most: whoever loses the race for a token finds it used, and is then repeating it.
    for _ in 0..2 {
        let standing = find(grants, client, &grant.token, now, origin).await?;
        let (access, roles) = match decide(grants, client, &standing, &grant.wish).await {
            Err(GrantError::InvalidGrant(_)) => {
                return Err(refuse(grants, client, RefreshRefusal::NoRights, Some(standing.user_id), origin).await);
            }
            decided => decided?,
        };
        let successor_token = successor_of(&grants.sessions.derivation_key, &grant.token, &standing);
        let subject = Subject { id: standing.user_id.clone(), roles, auth_time: Some(standing.logged_in_at) };
        if standing.consumed_at.is_some() {
            let successor = repeated(grants, &standing, now, origin).await?;
            let place = Place { list_id: successor.list_id.clone(), place: successor.place };
            let access_token = grants.issuer.access_token(client, subject, access, &place, now);
            refresh_token::prolong(&grants.store, &successor, access_token.expires_at).await?;
            return Ok(TokenSet { access_token, refresh_token: Some(successor_token) });
        }
        let place = grants.issuer.places.take(client, now).await?;
        let access_token = grants.issuer.access_token(client, subject, access, &place, now);
        let lifetimes = Lifetimes::of(client, &grants.sessions);
        let successor = Link {
            session_id: standing.session_id.clone(),
            seq: standing.seq + 1,
            digest: Some(secret::digest(&successor_token)),
            issued_at: now,
            expires_at: lifetimes.idle_until(now, standing.expires_at),
            consumed_at: None,
            list_id: place.list_id,
            place: place.place,
            access_expires_at: access_token.expires_at,
        };
        let event = origin.record(Event::TokenRefreshed, Some(&standing.user_id), Some(client.id()));
        let exchange = Exchange { consumed: standing.seq, successor, ip: origin.ip().to_owned(), event };
        match rotation::rotate(&grants.store, exchange).await? {
            Rotation::Rotated => return Ok(TokenSet { access_token, refresh_token: Some(successor_token) }),
            Rotation::Lost => {}
        }
    }
    Err(GrantError::InvalidGrant(REFUSED))
}

/// Finds what a token stands for, as everybody sees it now.
async fn find(grants: &Grants, client: &Client, token: &str, now: i64, origin: &Origin) -> Result<Standing, GrantError> {
    let refuse = |refusal, user_id: Option<String>| refuse(grants, client, refusal, user_id, origin);
    if !secret::is_well_formed(secret::Kind::RefreshToken, token) {
        return Err(refuse(RefreshRefusal::Malformed, None).await);
    }
    let Some(standing) = refresh_token::standing(&grants.store, secret::digest(token)).await? else {
        return Err(refuse(RefreshRefusal::Unknown, None).await);
    };
    let user_id = Some(standing.user_id.clone());
    if standing.client_id != client.id() {
        return Err(refuse(RefreshRefusal::OtherClient, user_id).await);
    }
    if standing.ended_at.is_some() {
        return Err(refuse(RefreshRefusal::Ended, user_id).await);
    }
    if now >= standing.idle_until.min(standing.expires_at) {
        return Err(refuse(RefreshRefusal::Expired, user_id).await);
    }
    if standing.user_state != user::State::Active || standing.user_generation != standing.generation {
        return Err(refuse(RefreshRefusal::UserChanged, user_id).await);
    }
    Ok(standing)
}

/// What the family may still have: its first scope, within what client and roles allow today.
async fn decide(grants: &Grants, client: &Client, standing: &Standing, wish: &Wish) -> Result<(Access, Vec<String>), GrantError> {
    let original: Scope = standing.scope.parse().map_err(|_| GrantError::InvalidGrant(REFUSED))?;
    if wish.resources.iter().any(|resource| *resource != standing.resource_id) {
        return Err(AccessError::UnknownResource.into());
    }
    if wish.scope.as_ref().is_some_and(|scope| !original.contains_all(scope)) {
        return Err(AccessError::ScopeNotAllowed.into());
    }
    let scope = wish.scope.as_ref().unwrap_or(&original).intersection(client.scope());
    let wish = Wish { scope: Some(scope), resources: vec![standing.resource_id.clone()] };
    let known = grants.store.known_under(standing.mark.clone());
    let catalog = known.catalog(&grants.store).await?;
    let rights = known.rights(&grants.store, &standing.roles).await?;
    let limits = Limits { scope: client.scope(), default_resource: None };
    // Nothing is left of what was granted: the grant itself is not good any more.
    let access = access::decide(catalog, limits, &rights, &wish).map_err(|_| GrantError::InvalidGrant(REFUSED))?;
    Ok((access, rights.roles.clone()))
}

/// A used token again: the successor, if it looks like a lost answer; otherwise the family ends.
async fn repeated(grants: &Grants, standing: &Standing, now: i64, origin: &Origin) -> Result<Link, GrantError> {
    let Standing { session_id, user_id, client_id, .. } = standing;
    let grace = clock::seconds(grants.sessions.grace);
    let age = now - standing.consumed_at.unwrap_or(now);
    if let Some(successor) = refresh_token::successor_of(&grants.store, session_id, standing.seq).await?
        && successor.consumed_at.is_none()
        && age < grace
    {
        return Ok(successor);
    }
    tracing::warn!(session.id = %session_id, user.id = %user_id, client.id = %client_id, "A used refresh token came again; the family ends");
    let event = origin.record(Event::SessionEnded(Ended::Reused), Some(user_id), Some(client_id));
    session::end(&grants.store, Which::One(session_id), Ended::Reused, now, event).await?;
    grants.lists.changed().await;
    Err(GrantError::InvalidGrant(REFUSED))
}

/// The successor is made of the token itself and a key of ours: only its digest is kept, and a lost answer can still be
/// given again.
fn successor_of(key: &hmac::Key, token: &str, standing: &Standing) -> Zeroizing<String> {
    let message = Zeroizing::new(format!("{token}.{}.{}", standing.session_id, standing.seq));
    let tag = hmac::sign(key, message.as_bytes());
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(tag.as_ref());
    secret::from_bytes(secret::Kind::RefreshToken, &bytes)
}

async fn refuse(
    grants: &Grants,
    client: &Client,
    refusal: RefreshRefusal,
    user_id: Option<String>,
    origin: &Origin,
) -> GrantError {
    tracing::info!(client.id = client.id(), user.id = user_id, reason = refusal.code(), "Refused a refresh token");
    let event = origin.record(Event::RefreshRefused(refusal), user_id.as_deref(), Some(client.id()));
    match audit_event::record(&grants.store, event).await {
        Ok(()) => GrantError::InvalidGrant(REFUSED),
        Err(error) => GrantError::Store(error),
    }
}
