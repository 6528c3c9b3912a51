//! A person's sessions: to see them, and to end one or all.

use crate::{
    audit::{Event, Origin},
    clock,
    store::{
        Store, StoreError,
        session::{self, Ended, Model as Session, Which},
    },
    token::StatusLists,
};

/// The sessions of people.
#[derive(Clone)]
pub(crate) struct SessionList {
    pub(crate) store: Store,
    pub(crate) lists: Option<StatusLists>,
}

impl SessionList {
    /// The sessions of a user that are alive, the latest used first.
    pub(crate) async fn of_user(&self, user_id: &str) -> Result<Vec<Session>, StoreError> {
        session::live_of_user(&self.store, user_id, clock::now()).await
    }

    /// Ends a session; false if there is none of that identifier, or it had ended.
    pub(crate) async fn end(&self, session_id: &str, origin: &Origin) -> Result<bool, StoreError> {
        let Some(session) = session::by_id(&self.store, session_id).await? else { return Ok(false) };
        Ok(self.end_which(Which::One(session_id), &session.user_id, origin).await? > 0)
    }

    /// Ends every session of a user, and says how many that were.
    pub(crate) async fn end_all(&self, user_id: &str, origin: &Origin) -> Result<u64, StoreError> {
        self.end_which(Which::OfUser(user_id), user_id, origin).await
    }

    async fn end_which(&self, which: Which<'_>, user_id: &str, origin: &Origin) -> Result<u64, StoreError> {
        let event = origin.record(Event::SessionEnded(Ended::LoggedOut), Some(user_id), None);
        let ended = session::end(&self.store, which, Ended::LoggedOut, clock::now(), event).await?;
        if let Some(lists) = &self.lists {
            lists.changed().await;
        }
        Ok(ended)
    }
}
