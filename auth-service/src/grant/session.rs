//! Opening a session: what a login leaves behind, with or without a refresh token.

use std::time::Duration;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{GrantError, GrantType, Grants, TokenSet};
use crate::{
    access::Access,
    audit::{Event, LoginRefusal, Origin},
    client::Client,
    clock, id, secret,
    store::{
        User,
        refresh_token::Model as Link,
        session::{self, Model as Session},
    },
    token::Subject,
};

/// How sessions behave.
#[derive(Clone)]
pub(crate) struct Sessions {
    /// A refresh token that is not used for this long ends.
    pub(crate) idle_lifetime: Duration,
    /// A session ends after this long, however busy it is.
    pub(crate) absolute_lifetime: Duration,
    /// How long a repeated refresh is taken for a lost answer; zero: never.
    pub(crate) grace: Duration,
    /// Makes successors of refresh tokens.
    pub(crate) derivation_key: hmac::Key,
}

/// The lifetimes of a client's sessions.
pub(super) struct Lifetimes {
    idle: i64,
    absolute: i64,
}

impl Lifetimes {
    pub(super) fn of(client: &Client, sessions: &Sessions) -> Self {
        Self {
            idle: clock::seconds(client.refresh_idle_lifetime().unwrap_or(sessions.idle_lifetime)),
            absolute: clock::seconds(client.refresh_absolute_lifetime().unwrap_or(sessions.absolute_lifetime)),
        }
    }

    /// When a link issued now ends, within the life of its session.
    pub(super) fn idle_until(&self, now: i64, session_expires_at: i64) -> i64 {
        (now + self.idle).min(session_expires_at)
    }
}

/// Opens a session for a person who has just logged in, and issues its first tokens.
pub(super) async fn open(
    grants: &Grants,
    client: &Client,
    user: &User,
    roles: Vec<String>,
    access: Access,
    origin: &Origin,
) -> Result<TokenSet, GrantError> {
    let now = clock::now();
    let lifetimes = Lifetimes::of(client, &grants.sessions);
    let place = grants.issuer.places.take(client, now).await?;
    let session_id = id::session();
    let (resource_id, scope) = (access.resource.clone(), access.scope.to_string());
    let subject = Subject { id: user.id.clone(), roles, auth_time: Some(now) };
    let access_token = grants.issuer.access_token(client, subject, access, &place, now);
    let refresh_token: Option<Zeroizing<String>> =
        client.allows(GrantType::RefreshToken).then(|| secret::make(secret::Kind::RefreshToken));
    let expires_at = if refresh_token.is_some() { now + lifetimes.absolute } else { access_token.expires_at };
    let session = Session {
        id: session_id.clone(),
        user_id: user.id.clone(),
        client_id: client.id().to_owned(),
        resource_id,
        scope,
        device: origin.device().map(ToOwned::to_owned),
        ip: origin.ip().to_owned(),
        generation: user.generation,
        created_at: now,
        last_used_at: now,
        expires_at,
        ended_at: None,
        ended_why: None,
    };
    let first = Link {
        session_id,
        seq: 0,
        digest: refresh_token.as_ref().map(|token| secret::digest(token)),
        issued_at: now,
        expires_at: lifetimes.idle_until(now, expires_at),
        consumed_at: None,
        list_id: place.list_id,
        place: place.place,
        access_expires_at: access_token.expires_at,
    };
    let event = origin.record(Event::LoginSucceeded, Some(&user.id), Some(client.id()));
    if session::open(&grants.store, session, client.generation(), first, event).await? {
        Ok(TokenSet { access_token, refresh_token })
    } else {
        Err(grants.logins.refuse(LoginRefusal::Disabled, Some(&user.id), Some(client.id()), origin).await.into())
    }
}
