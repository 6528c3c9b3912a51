//! Decides whether an access token is good here (RFC 9068 §4, RFC 8725).

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;

use super::{
    ACCESS_TOKEN_TYPE, AccessTokenClaims, AccessTokenError, IssuerKeys, KeySet, Revocations, VerificationKey,
    compact::Compact,
    remembered::{Remembered, TokenHash},
    strict_json::Members,
};

/// The longest access token that is looked at, in bytes.
pub const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// How far the issuer's clock and ours may be apart.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The longest lifetime an access token may claim; keep the issuer's settings below it.
pub const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// When to ask again while a local key ring has no key yet.
const LOCAL_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Verifies access tokens for one protected resource of one issuer.
///
/// Cloning is cheap, and the clones share what they remember.
#[derive(Clone)]
pub struct AccessTokenVerifier {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    issuer: String,
    /// None: whatever the token is meant for.
    resource: Option<String>,
    keys: Keys,
    revocations: Option<Revocations>,
    remembered: Remembered,
}

/// Where the keys come from.
#[derive(Clone)]
enum Keys {
    /// This process keeps them.
    Local(Arc<ArcSwap<KeySet>>),
    /// The issuer publishes them.
    Following(IssuerKeys),
}

impl AccessTokenVerifier {
    /// A verifier with keys from this process: the issuer's own API, a test, a key set that is kept up to date elsewhere.
    pub fn with_local_keys(issuer: impl Into<String>, resource: impl Into<String>, keys: Arc<ArcSwap<KeySet>>) -> Self {
        Self::new(issuer.into(), Some(resource.into()), Keys::Local(keys))
    }

    /// A verifier for the issuer itself, which answers for its tokens whatever resource they are meant for. No protected
    /// resource may use it: it would take tokens that were meant for others.
    pub fn for_any_resource(issuer: impl Into<String>, keys: Arc<ArcSwap<KeySet>>) -> Self {
        Self::new(issuer.into(), None, Keys::Local(keys))
    }

    /// A verifier with the keys that an issuer publishes.
    pub fn following(keys: IssuerKeys, resource: impl Into<String>) -> Self {
        Self::new(keys.issuer().to_owned(), Some(resource.into()), Keys::Following(keys))
    }

    fn new(issuer: String, resource: Option<String>, keys: Keys) -> Self {
        let remembered = Remembered::new(MAX_LIFETIME + 2 * LEEWAY);
        Self { inner: Arc::new(Inner { issuer, resource, keys, revocations: None, remembered }) }
    }

    /// Heeds revocations as well: a token that says where its status is published counts as long as that is "valid".
    #[must_use]
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        Arc::make_mut(&mut self.inner).revocations = Some(revocations);
        self
    }

    /// The issuer whose tokens are accepted: their `iss`, exactly.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The protected resource the tokens must be meant for: in their `aud`, exactly.
    pub fn resource(&self) -> Option<&str> {
        self.inner.resource.as_deref()
    }

    /// Decides whether this access token is good here and now.
    pub async fn verify(&self, token: &str) -> Result<Arc<AccessTokenClaims>, AccessTokenError> {
        self.verify_at(token, unix_now()).await
    }

    #[tracing::instrument(target = "trace", name = "access token verify", skip_all)]
    pub(super) async fn verify_at(&self, token: &str, now: i64) -> Result<Arc<AccessTokenClaims>, AccessTokenError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(AccessTokenError::Malformed("it is too long"));
        }
        let hash = Remembered::hash(token);
        let claims = match self.recall(&hash, now).await? {
            Some(claims) => claims,
            None => self.check(token, hash, now).await?,
        };
        // Last, and every time: a token whose signature does not hold cannot cause a fetch, and one that we remember may
        // have been revoked since.
        if let (Some(revocations), Some(status)) = (&self.inner.revocations, &claims.status) {
            revocations.check(&status.status_list).await?;
        }
        Ok(claims)
    }

    /// The claims of a token that was verified before, if nothing has happened to it since.
    async fn recall(&self, hash: &TokenHash, now: i64) -> Result<Option<Arc<AccessTokenClaims>>, AccessTokenError> {
        let Some(verified) = self.inner.remembered.get(hash) else { return Ok(None) };
        if !verified.is_signed_by_one_of(self.keys().await?.as_ref()) {
            self.inner.remembered.forget(hash);
            return Ok(None);
        }
        check_times(&verified.claims, now).inspect_err(|_| self.inner.remembered.forget(hash))?;
        Ok(Some(verified.claims))
    }

    /// Verifies a token we have not met.
    async fn check(&self, token: &str, hash: TokenHash, now: i64) -> Result<Arc<AccessTokenClaims>, AccessTokenError> {
        let compact = Compact::parse(token, ACCESS_TOKEN_TYPE)?;
        let key = match self.keys().await?.shared(&compact.key_id) {
            Some(key) => key,
            None => Box::pin(self.missing_key(&compact, now)).await?,
        };
        compact.verify(&key)?;
        let claims = Arc::new(self.claims(&compact.payload, now)?);
        self.inner.remembered.remember(hash, token.len(), &key, Arc::clone(&claims));
        Ok(claims)
    }

    /// The keys that may be trusted now.
    async fn keys(&self) -> Result<Arc<KeySet>, AccessTokenError> {
        match &self.inner.keys {
            Keys::Following(keys) => keys.current().await,
            Keys::Local(keys) => {
                let keys = keys.load_full();
                if keys.is_empty() {
                    return Err(AccessTokenError::KeysUnavailable { retry_after: LOCAL_RETRY_AFTER });
                }
                Ok(keys)
            }
        }
    }

    /// A key that the set at hand lacks. The issuer is asked only if the token would be good with that key: what is
    /// out of date, from elsewhere or for somebody else cannot cause any traffic.
    async fn missing_key(&self, compact: &Compact<'_>, now: i64) -> Result<Arc<VerificationKey>, AccessTokenError> {
        match &self.inner.keys {
            Keys::Local(_) => Err(AccessTokenError::UnknownKey),
            Keys::Following(keys) => {
                self.claims(&compact.payload, now)?;
                keys.find(&compact.key_id).await
            }
        }
    }

    /// Reads the claims and checks everything but the signature and the revocation.
    fn claims(&self, payload: &[u8], now: i64) -> Result<AccessTokenClaims, AccessTokenError> {
        let claims = read_claims(payload)?;
        self.check_issuer(&claims)?;
        self.check_audience(&claims)?;
        check_names(&claims)?;
        check_times(&claims, now)?;
        Ok(claims)
    }

    pub(super) fn check_issuer(&self, claims: &AccessTokenClaims) -> Result<(), AccessTokenError> {
        if claims.iss == self.inner.issuer { Ok(()) } else { Err(AccessTokenError::Issuer) }
    }

    pub(super) fn check_audience(&self, claims: &AccessTokenClaims) -> Result<(), AccessTokenError> {
        let is_meant = self.inner.resource.as_ref().is_none_or(|resource| claims.aud.contains(resource));
        if is_meant { Ok(()) } else { Err(AccessTokenError::Audience) }
    }

    /// The key of this ID, if it is among the keys at hand.
    pub(super) async fn known_key(&self, id: &str) -> Result<Arc<VerificationKey>, AccessTokenError> {
        self.keys().await?.shared(id).ok_or(AccessTokenError::UnknownKey)
    }
}

impl fmt::Debug for AccessTokenVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AccessTokenVerifier")
            .field("issuer", &self.inner.issuer)
            .field("resource", &self.inner.resource)
            .finish_non_exhaustive()
    }
}

/// Reads claims that have everything which RFC 9068 §2.2 requires, and no demand that nobody here can meet.
pub(super) fn read_claims(payload: &[u8]) -> Result<AccessTokenClaims, AccessTokenError> {
    const MALFORMED: AccessTokenError = AccessTokenError::Malformed("its claims are not acceptable JSON");
    let members = Members::read(payload).map_err(|_| MALFORMED)?;
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        if !members.contains(name) {
            return Err(AccessTokenError::MissingClaim(name));
        }
    }
    // DPoP (RFC 9449 §7.1) and certificate-bound tokens are worthless to whoever stole them; let it stay so.
    if members.contains("cnf") {
        return Err(AccessTokenError::Bound);
    }
    serde_json::from_slice(payload).map_err(|_| MALFORMED)
}

/// Whether what must name somebody does.
pub(super) fn check_names(claims: &AccessTokenClaims) -> Result<(), AccessTokenError> {
    for (name, value) in [("sub", &claims.sub), ("client_id", &claims.client_id), ("jti", &claims.jti)] {
        if value.is_empty() {
            return Err(AccessTokenError::MissingClaim(name));
        }
    }
    Ok(())
}

/// RFC 9068 §4 and RFC 7519 §4.1.4 to §4.1.6, and a bound on how long an issuer's mistake can last.
fn check_times(claims: &AccessTokenClaims, now: i64) -> Result<(), AccessTokenError> {
    check_end(claims, now)?;
    check_beginning(claims, now)?;
    check_lifetime(claims)
}

pub(super) fn check_end(claims: &AccessTokenClaims, now: i64) -> Result<(), AccessTokenError> {
    let is_over = now >= claims.exp.saturating_add(LEEWAY.as_secs().cast_signed());
    if is_over { Err(AccessTokenError::Expired) } else { Ok(()) }
}

pub(super) fn check_beginning(claims: &AccessTokenClaims, now: i64) -> Result<(), AccessTokenError> {
    let latest_start = now.saturating_add(LEEWAY.as_secs().cast_signed());
    let is_early = claims.iat > latest_start || claims.nbf.is_some_and(|nbf| nbf > latest_start);
    if is_early { Err(AccessTokenError::NotYetValid) } else { Ok(()) }
}

pub(super) fn check_lifetime(claims: &AccessTokenClaims) -> Result<(), AccessTokenError> {
    let lifetime = claims.exp.saturating_sub(claims.iat);
    let is_bounded = (1..=MAX_LIFETIME.as_secs().cast_signed()).contains(&lifetime);
    if is_bounded { Ok(()) } else { Err(AccessTokenError::Lifetime) }
}

/// Seconds since 1970.
pub(super) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

#[cfg(test)]
mod tests;
