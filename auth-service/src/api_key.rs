//! API keys: credentials of a person for programs that cannot log in, good for nothing but an exchange for a short token.
//!
//! A key allows what its owner gave it, within what the owner's roles hold at the moment of use. It never opens the
//! issuer's own API: so no key can make another, change a password, or act as an administrator here.

use std::time::Duration;

use aws_lc_rs::rand;
use ipnet::IpNet;
use secrecy::SecretString;
use shared::{access_token::ApiKey, scope::Scope};
use zeroize::Zeroizing;

use crate::{
    audit::{Event, Origin},
    clock, id, secret,
    store::{
        ApiKeyRow, AuditEvent, Store, StoreError,
        api_key::{self, Changed, Successor, Which},
        resource, role, setting, user,
    },
    token::StatusLists,
};

/// How long a key lives unless its owner says otherwise.
pub(crate) const LIFETIME: Duration = Duration::from_hours(90 * 24);
/// How long a key may live.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// How long the old secret may be good beside a new one.
pub(crate) const MAX_OVERLAP: Duration = Duration::from_hours(7 * 24);
/// How many living keys one owner may have.
pub(crate) const MAX_KEYS: u64 = 100;
const MAX_NAME: usize = 100;
const MAX_SOURCES: usize = 16;

/// What a new API key is made of.
#[derive(Clone, Copy, Debug)]
pub struct NewApiKey<'a> {
    /// What its owner calls it.
    pub name: &'a str,
    /// What it allows: within what the owner's roles hold, and nothing of the issuer's own.
    pub scope: &'a Scope,
    /// How long it lives, a year at most.
    pub lifetime: Duration,
    /// The networks it is good from; empty: any.
    pub sources: &'a [IpNet],
}

/// Whose keys somebody may see and change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'a> {
    /// Their own.
    Of(&'a str),
    /// Everybody's.
    Anybody,
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Expired,
    Revoked,
}

/// A page of keys, the newest first.
pub(crate) struct Page {
    pub(crate) keys: Vec<ApiKeyRow>,
    /// The last key of the page, if there are more behind it.
    pub(crate) next: Option<String>,
}

/// Why a key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiKeyError {
    #[error("there is no such API key, or it has ended")]
    NotFound,
    #[error("only a person with an account can have API keys")]
    NoAccount,
    #[error("a name has 1 to {MAX_NAME} characters, is not blank and has no control characters")]
    Name,
    #[error("name at least one scope")]
    NoScope,
    #[error("one of the scopes does not exist, or is not within the owner's roles")]
    BeyondOwner,
    #[error("an API key never opens the issuer's own API: leave its scopes out")]
    OfIssuer,
    #[error("an API key lives from a second to a year")]
    Lifetime,
    #[error("an API key is bound to {MAX_SOURCES} networks at most")]
    Sources,
    #[error("the old key may be good for a week at most")]
    Overlap,
    #[error("there are {MAX_KEYS} API keys already, which is as many as one owner may have; revoke one first")]
    Full,
    #[error("the key before the last rotation is still good: let it end, or rotate without overlap")]
    Rotating,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The API keys of people.
#[derive(Clone)]
pub(crate) struct ApiKeys {
    pub(crate) store: Store,
    /// The published lists of a service in this process.
    pub(crate) lists: Option<StatusLists>,
}

impl ApiKeys {
    /// Makes a key for a user; what it looks like is returned once, and kept as a digest.
    pub(crate) async fn create(
        &self,
        owner: &str,
        new: NewApiKey<'_>,
        origin: &Origin,
    ) -> Result<(ApiKeyRow, SecretString), ApiKeyError> {
        check_name(new.name)?;
        if !(Duration::from_secs(1)..=MAX_LIFETIME).contains(&new.lifetime) {
            return Err(ApiKeyError::Lifetime);
        }
        if new.sources.len() > MAX_SOURCES {
            return Err(ApiKeyError::Sources);
        }
        let holder = user::by_id(&self.store, owner).await?.ok_or(ApiKeyError::NoAccount)?;
        self.check_scope(&holder.id, new.scope).await?;
        let now = clock::now();
        let id = id::api_key();
        let key = make(&id);
        let row = ApiKeyRow {
            user_id: holder.id,
            name: new.name.to_owned(),
            scopes: new.scope.to_string(),
            sources: new.sources.iter().map(|source| source.trunc().to_string()).collect::<Vec<_>>().join(" "),
            digest: secret::digest(&key),
            last_four: last_four(&key).to_owned(),
            previous_digest: None,
            previous_until: None,
            created_at: now,
            expires_at: now + clock::seconds(new.lifetime),
            last_used_at: None,
            revoked_at: None,
            id,
        };
        let event = record(origin, Event::ApiKeyCreated, &row);
        done(api_key::create(&self.store, row.clone(), MAX_KEYS, event).await?)?;
        Ok((row, SecretString::from(key.to_string())))
    }

    /// A page of keys that begins behind `after`, an identifier.
    pub(crate) async fn page(&self, whose: Whose<'_>, after: Option<&str>, limit: u32) -> Result<Page, ApiKeyError> {
        // One more than is shown tells whether there is another page.
        let mut keys = api_key::page(&self.store, whose.owner(), after, u64::from(limit) + 1).await?;
        let has_more = keys.len() > limit as usize;
        keys.truncate(limit as usize);
        let next = keys.last().filter(|_| has_more).map(|key| key.id.clone());
        Ok(Page { keys, next })
    }

    /// One key. Somebody else's is as good as none.
    pub(crate) async fn find(&self, whose: Whose<'_>, id: &str) -> Result<ApiKeyRow, ApiKeyError> {
        // What cannot be an identifier names no key, and need not bother the database.
        let key = if ApiKey::is_id(id) { api_key::by_id(&self.store, id).await? } else { None };
        key.filter(|key| whose.owner().is_none_or(|owner| owner == key.user_id)).ok_or(ApiKeyError::NotFound)
    }

    /// Revokes a key, and the access tokens that it was exchanged for.
    pub(crate) async fn revoke(&self, whose: Whose<'_>, id: &str, origin: &Origin) -> Result<(), ApiKeyError> {
        let key = self.find(whose, id).await?;
        let event = record(origin, Event::ApiKeyRevoked, &key);
        done(api_key::revoke(&self.store, Which { id, owner: whose.owner() }, clock::now(), event).await?)?;
        self.changed().await;
        Ok(())
    }

    /// Gives a key another secret, and lets the old one be good for `overlap`.
    pub(crate) async fn rotate(
        &self,
        whose: Whose<'_>,
        id: &str,
        overlap: Duration,
        origin: &Origin,
    ) -> Result<(ApiKeyRow, SecretString), ApiKeyError> {
        if overlap > MAX_OVERLAP {
            return Err(ApiKeyError::Overlap);
        }
        let key = self.find(whose, id).await?;
        let now = clock::now();
        let text = make(&key.id);
        let successor = Successor {
            digest: secret::digest(&text),
            last_four: last_four(&text),
            previous_until: (now + clock::seconds(overlap)).min(key.expires_at),
        };
        let event = record(origin, Event::ApiKeyRotated, &key);
        done(api_key::rotate(&self.store, Which { id, owner: whose.owner() }, successor, now, event).await?)?;
        self.changed().await;
        Ok((self.find(whose, id).await?, SecretString::from(text.to_string())))
    }

    /// What is demanded of a scope: that it exists, is the owner's to give, and opens nothing of the issuer's own.
    async fn check_scope(&self, owner: &str, scope: &Scope) -> Result<(), ApiKeyError> {
        if scope.is_empty() {
            return Err(ApiKeyError::NoScope);
        }
        let issuer = setting::find(&self.store, "issuer").await?.unwrap_or_default();
        let catalog = resource::catalog(&self.store).await?;
        if catalog.scope_of(&issuer).is_some_and(|own| !own.intersection(scope).is_empty()) {
            return Err(ApiKeyError::OfIssuer);
        }
        let rights = role::rights(&self.store, user::roles(&self.store, owner).await?).await?;
        if rights.scope.contains_all(scope) { Ok(()) } else { Err(ApiKeyError::BeyondOwner) }
    }

    async fn changed(&self) {
        if let Some(lists) = &self.lists {
            lists.changed().await;
        }
    }
}

impl<'a> Whose<'a> {
    const fn owner(self) -> Option<&'a str> {
        match self {
            Self::Of(owner) => Some(owner),
            Self::Anybody => None,
        }
    }
}

/// How a key stands at this time.
pub(crate) const fn state_of(key: &ApiKeyRow, now: i64) -> State {
    match key.revoked_at {
        Some(_) => State::Revoked,
        None if now >= key.expires_at => State::Expired,
        None => State::Active,
    }
}

impl State {
    /// Its name for people and programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The record of an event about a key.
pub(crate) fn record(origin: &Origin, event: Event, key: &ApiKeyRow) -> AuditEvent {
    AuditEvent { detail: Some(key.id.clone()), ..origin.record(event, Some(&key.user_id), None) }
}

fn done(changed: Changed) -> Result<(), ApiKeyError> {
    match changed {
        Changed::Done => Ok(()),
        Changed::NoMatch => Err(ApiKeyError::NotFound),
        Changed::Full => Err(ApiKeyError::Full),
        Changed::Rotating => Err(ApiKeyError::Rotating),
    }
}

/// A key of this identifier, with a secret of 256 random bits.
fn make(id: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(&mut *bytes).expect("the system's random source answers");
    Zeroizing::new(ApiKey::compose(id, &bytes))
}

fn last_four(key: &str) -> &str {
    ApiKey::parse(key).expect("it was just composed").last_four()
}

fn check_name(name: &str) -> Result<(), ApiKeyError> {
    let is_good = name.chars().count() <= MAX_NAME && !name.trim().is_empty() && !name.chars().any(char::is_control);
    if is_good { Ok(()) } else { Err(ApiKeyError::Name) }
}
