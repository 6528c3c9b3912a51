//! Token exchange (RFC 8693): an API key becomes a short access token, which is never worth more than the key.
//!
//! The key is the credential, so the client that shows it needs none of its own. The token speaks for the key's owner and
//! names the key as the one who acts. It ends with the key at the latest, and its place in a status list is kept with the
//! key, so that whatever ends the key ends the token.
//!
//! A key that is bound to networks gives a token that is. Only who is shown the token can hold it against where the request
//! comes from: here, it is an API that asks, on behalf of somebody whose address we do not know.
//!
//! Wrong secrets are counted by key and network, and only another wrong one has to wait. A key that is good costs nothing of
//! it: the throttle is not even asked.

use shared::{
    access_token::{API_KEY_TOKEN_TYPE, ApiKey, TOKEN_TYPE_ACCESS_TOKEN},
    scope::Scope,
};
use zeroize::Zeroizing;

use super::{GrantError, Grants, TokenSet};
use crate::{
    access::{self, Access, AccessError, Limits, Wish},
    api_key,
    audit::{ApiKeyRefusal, Event, Origin},
    client::Client,
    clock, secret,
    store::{self, ApiKeyRow, StoreError, audit_event, user},
    throttle::ThrottleError,
    token::{Acting, Subject},
};

/// Whatever is wrong with a key, this is all that is said.
const REFUSED: &str = "the API key is malformed, unknown, expired or revoked, or its owner cannot use it";
/// The last use is noted no more often than this, so that a use does not cost a write of its own.
const COARSE: i64 = 3600;
/// What the throttle knows the secrets of API keys as.
const GUESSES: &str = "api_key";

/// The parameters of RFC 8693 §2.1.
pub(crate) struct TokenExchange {
    pub(crate) subject_token: Zeroizing<String>,
    pub(crate) subject_token_type: String,
    pub(crate) requested_token_type: Option<String>,
    /// Whether the request names an actor, or an audience in words of its own.
    pub(crate) is_beyond_us: bool,
    pub(crate) wish: Wish,
}

/// What a good key stands for.
struct Standing {
    key: ApiKeyRow,
    /// When the secret that was shown ends.
    until: i64,
    roles: Vec<String>,
}

pub(super) async fn exchange(
    grants: &Grants,
    client: &Client,
    grant: TokenExchange,
    origin: &Origin,
) -> Result<TokenSet, GrantError> {
    check(&grant)?;
    let now = clock::now();
    // Twice at most: the key or its owner may change meanwhile.
    for _ in 0..2 {
        let standing = match find(grants, &grant.subject_token, now).await? {
            Ok(standing) => standing,
            Err(refusal) => return Err(refuse(grants, client, &grant.subject_token, refusal, origin).await?),
        };
        let (access, roles) = match decide(grants, client, &standing, &grant.wish).await {
            Err(GrantError::Access(AccessError::NoRights)) => {
                record(grants, client, ApiKeyRefusal::NoRights, Some(&standing.key), origin).await?;
                return Err(AccessError::NoRights.into());
            }
            decided => decided?,
        };
        let place = grants.issuer.places.take(client, now).await?;
        let subject = Subject { id: standing.key.user_id.clone(), roles, auth_time: None };
        let sources = standing.key.sources.split_whitespace().map(ToOwned::to_owned).collect();
        let acting = Acting { key_id: standing.key.id.clone(), until: standing.until, sources };
        let access_token = grants.issuer.exchanged_token(client, subject, access, &place, now, acting);
        let is_due = standing.key.last_used_at.is_none_or(|used| used + COARSE <= now);
        let event = api_key::record(origin, Event::ApiKeyExchanged, &standing.key);
        let event = store::AuditEvent { client_id: Some(client.id().to_owned()), ..event };
        let token = (place, access_token.expires_at);
        let used_at = is_due.then_some(now);
        if store::api_key::exchanged(&grants.store, &standing.key, &standing.roles, token, used_at, event).await? {
            return Ok(TokenSet { access_token, refresh_token: None });
        }
    }
    Err(GrantError::InvalidRequest(REFUSED))
}

/// What of RFC 8693 is not offered is refused, and not passed over: the client would get something else than it asked for.
fn check(grant: &TokenExchange) -> Result<(), GrantError> {
    if grant.subject_token_type != API_KEY_TOKEN_TYPE {
        return Err(GrantError::InvalidRequest("subject_token_type: only API keys are exchanged here"));
    }
    if grant.requested_token_type.as_ref().is_some_and(|requested| requested != TOKEN_TYPE_ACCESS_TOKEN) {
        return Err(GrantError::InvalidRequest("requested_token_type: only access tokens are issued"));
    }
    if grant.is_beyond_us {
        return Err(GrantError::InvalidRequest("actor_token and audience are not supported; name a resource"));
    }
    Ok(())
}

type Refusal = (ApiKeyRefusal, Option<ApiKeyRow>);

/// Finds what a key stands for, as everybody sees it now. Every refusal has hashed the key and compared a digest.
async fn find(grants: &Grants, shown: &str, now: i64) -> Result<Result<Standing, Refusal>, GrantError> {
    let digest = secret::digest(shown);
    let Some(shown) = ApiKey::parse(shown) else { return Ok(Err((ApiKeyRefusal::Malformed, None))) };
    let Some(key) = store::api_key::by_id(&grants.store, shown.id()).await? else {
        let _ = secret::is_same_digest(&secret::digest("no such key"), &digest);
        return Ok(Err((ApiKeyRefusal::Unknown, None)));
    };
    let is_current = secret::is_same_digest(&key.digest, &digest);
    let is_previous = key.previous_digest.as_ref().is_some_and(|previous| secret::is_same_digest(previous, &digest));
    let until = match (is_current, is_previous) {
        (true, _) => key.expires_at,
        (false, true) => key.previous_until.map_or(0, |end| end.min(key.expires_at)),
        (false, false) => return Ok(Err((ApiKeyRefusal::WrongSecret, Some(key)))),
    };
    if key.revoked_at.is_some() {
        return Ok(Err((ApiKeyRefusal::Revoked, Some(key))));
    }
    if now >= until {
        return Ok(Err((ApiKeyRefusal::Expired, Some(key))));
    }
    let owner = user::by_id(&grants.store, &key.user_id).await?;
    if owner.is_none_or(|owner| owner.state != user::State::Active) {
        return Ok(Err((ApiKeyRefusal::OwnerDisabled, Some(key))));
    }
    let roles = user::roles(&grants.store, &key.user_id).await?;
    Ok(Ok(Standing { key, until, roles }))
}

/// requested ∩ key ∩ client ∩ the owner's roles, at one resource: the key is a limit like the client.
async fn decide(grants: &Grants, client: &Client, standing: &Standing, wish: &Wish) -> Result<(Access, Vec<String>), GrantError> {
    let known = grants.store.known_now().await?;
    let catalog = known.catalog(&grants.store).await?;
    // A key with a scope that has gone since allows the others.
    let held: Scope = standing.key.scopes.parse().unwrap_or_default();
    let scope = if client.is_api_key_client() { held } else { held.intersection(client.scope()) };
    let mut resources =
        catalog.resources().filter(|id| catalog.scope_of(id).is_some_and(|own| !own.intersection(&scope).is_empty()));
    // A key for one API need not name it.
    let only = resources.next().filter(|_| resources.next().is_none());
    let limits = Limits { scope: &scope, default_resource: client.default_resource().or(only) };
    let rights = known.rights(&grants.store, &standing.roles).await?;
    let access = access::decide(catalog, limits, &rights, wish)?;
    Ok((access, rights.roles.clone()))
}

/// Refuses a key that is not good: without a word about why, or until a further guess at it is taken in.
async fn refuse(
    grants: &Grants,
    client: &Client,
    shown: &str,
    (refusal, key): Refusal,
    origin: &Origin,
) -> Result<GrantError, StoreError> {
    let (refusal, error) = match count(grants, shown, refusal, origin).await {
        Ok(()) => (refusal, GrantError::InvalidRequest(REFUSED)),
        Err(ThrottleError::Throttled { retry_after }) => (ApiKeyRefusal::Throttled, GrantError::Throttled { retry_after }),
        Err(ThrottleError::Store(error)) => return Err(error),
    };
    record(grants, client, refusal, key.as_ref(), origin).await?;
    Ok(error)
}

/// Counts a wrong secret, whether there is a key of that identifier or not, unless there were too many already.
///
/// The throttle is asked after the secret, unlike that of clients. The network is often that of an API which asks for all
/// its callers: a lane that closed to right secrets too would be a switch by which any of them turns off another's key.
/// Nothing is given away by that, for nobody guesses 256 bits: what is kept down is the noise and what it costs.
async fn count(grants: &Grants, shown: &str, refusal: ApiKeyRefusal, origin: &Origin) -> Result<(), ThrottleError> {
    let is_guess = matches!(refusal, ApiKeyRefusal::Unknown | ApiKeyRefusal::WrongSecret);
    let Some(shown) = ApiKey::parse(shown).filter(|_| is_guess) else { return Ok(()) };
    grants.throttle.check_secret(GUESSES, shown.id(), origin).await?;
    Ok(grants.throttle.wrong_secret(GUESSES, shown.id(), origin).await?)
}

async fn record(
    grants: &Grants,
    client: &Client,
    refusal: ApiKeyRefusal,
    key: Option<&ApiKeyRow>,
    origin: &Origin,
) -> Result<(), StoreError> {
    let event = Event::ApiKeyRefused(refusal);
    let event = key.map_or_else(|| origin.record(event, None, None), |key| api_key::record(origin, event, key));
    let event = store::AuditEvent { client_id: Some(client.id().to_owned()), ..event };
    tracing::info!(api_key.id = event.detail, reason = refusal.code(), "Refused an API key");
    audit_event::record(&grants.store, event).await
}
