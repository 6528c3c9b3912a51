//! A person's sessions: to see them, and to end one or all.

use std::fmt;

use shared::access_token::AccessTokenClaims;

use crate::{
    audit::{Event, Origin},
    clock,
    store::{
        Store, StoreError,
        session::{self, Ended, Model, Which},
    },
    token::{Places, StatusLists},
};

/// The sessions of people.
#[derive(Clone)]
pub(crate) struct SessionList {
    pub(crate) store: Store,
    pub(crate) places: Places,
    pub(crate) lists: Option<StatusLists>,
}

/// A session as its owner sees it. Instants are seconds since 1970.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) client_id: String,
    /// What the program called itself at the login.
    pub(crate) device: Option<String>,
    /// Where it was last used from.
    pub(crate) ip: String,
    pub(crate) resource_id: String,
    pub(crate) scope: String,
    pub(crate) created_at: i64,
    pub(crate) last_used_at: i64,
    pub(crate) expires_at: i64,
}

/// A page of sessions.
pub(crate) struct SessionPage {
    pub(crate) sessions: Vec<Session>,
    /// The last session of the page, if there are more behind it.
    pub(crate) next: Option<SessionPlace>,
}

/// Where a session stands among those of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPlace {
    last_used_at: i64,
    id: String,
}

impl SessionPlace {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (last_used_at, id) = text.split_once(' ')?;
        Some(Self { last_used_at: last_used_at.parse().ok()?, id: id.to_owned() })
    }
}

impl fmt::Display for SessionPlace {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {}", self.last_used_at, self.id)
    }
}

impl SessionList {
    /// A page of the sessions of a user that are alive, the latest used first.
    pub(crate) async fn of_user(
        &self,
        user_id: &str,
        after: Option<&SessionPlace>,
        limit: u32,
    ) -> Result<SessionPage, StoreError> {
        let after = after.map(|place| (place.last_used_at, &*place.id));
        // One more than is shown tells whether there is another page.
        let mut found = session::live_of_user(&self.store, user_id, clock::now(), after, u64::from(limit) + 1).await?;
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| has_more);
        let next = last.map(|row| SessionPlace { last_used_at: row.last_used_at, id: row.id.clone() });
        Ok(SessionPage { sessions: found.into_iter().map(Session::from).collect(), next })
    }

    /// The session that an access token was issued in, if it was issued in one. Its place in a status list tells: no claim
    /// of the token need say it to every API.
    pub(crate) async fn of_token(&self, claims: &AccessTokenClaims) -> Result<Option<String>, StoreError> {
        let Some(place) = claims.status.as_ref().and_then(|status| self.places.place_of(status)) else { return Ok(None) };
        session::at_place(&self.store, &claims.sub, &place).await
    }

    /// Ends a session; false if there is none of that identifier, or it had ended.
    pub(crate) async fn end(&self, session_id: &str, origin: &Origin) -> Result<bool, StoreError> {
        let Some(session) = session::by_id(&self.store, session_id).await? else { return Ok(false) };
        Ok(self.end_which(Which::One(session_id), &session.user_id, origin).await? > 0)
    }

    /// Ends a session of this user; false if they have none of that identifier, or it had ended.
    pub(crate) async fn end_own(&self, user_id: &str, session_id: &str, origin: &Origin) -> Result<bool, StoreError> {
        let Some(session) = session::by_id(&self.store, session_id).await? else { return Ok(false) };
        Ok(session.user_id == user_id && self.end_which(Which::One(session_id), user_id, origin).await? > 0)
    }

    /// Ends every session of a user, and says how many that were.
    pub(crate) async fn end_all(&self, user_id: &str, origin: &Origin) -> Result<u64, StoreError> {
        self.end_which(Which::OfUser(user_id), user_id, origin).await
    }

    /// Ends every session of a user but this, and says how many that were.
    pub(crate) async fn end_others(&self, user_id: &str, kept: &str, origin: &Origin) -> Result<u64, StoreError> {
        self.end_which(Which::OfUserExcept(user_id, kept), user_id, origin).await
    }

    async fn end_which(&self, which: Which<'_>, user_id: &str, origin: &Origin) -> Result<u64, StoreError> {
        let event = origin.record(Event::SessionEnded(Ended::LoggedOut), Some(user_id), None);
        let ended = session::end(&self.store, which, Ended::LoggedOut, clock::now(), event).await?;
        self.changed().await;
        Ok(ended)
    }

    /// Publishes that access tokens were revoked.
    pub(crate) async fn changed(&self) {
        if let Some(lists) = &self.lists {
            lists.changed().await;
        }
    }
}

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            client_id: row.client_id,
            device: row.device,
            ip: row.ip,
            resource_id: row.resource_id,
            scope: row.scope,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        let place = SessionPlace { last_used_at: 1_764_000_000, id: "ses_1".to_owned() };

        assert_eq!(SessionPlace::parse(&place.to_string()), Some(place));
    }

    #[test]
    fn anything_else_is_no_place() {
        for text in ["", "1764000000", "ses_1", "x ses_1", "99999999999999999999 ses_1"] {
            assert_eq!(SessionPlace::parse(text), None, "{text:?}");
        }
    }
}
