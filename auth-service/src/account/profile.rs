//! Who a person is, as the issuer knows them.

use crate::store::{Store, StoreError, user};

/// The profiles of people.
#[derive(Clone)]
pub(crate) struct Profiles {
    pub(crate) store: Store,
}

/// An account as its owner sees it.
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) roles: Vec<String>,
    /// Seconds since 1970.
    pub(crate) created_at: i64,
}

impl Profiles {
    /// The profile of a user, if the identifier is a user's.
    pub(crate) async fn of(&self, user_id: &str) -> Result<Option<Profile>, StoreError> {
        let Some(user) = user::by_id(&self.store, user_id).await? else { return Ok(None) };
        let roles = user::roles(&self.store, &user.id).await?;
        Ok(Some(Profile { id: user.id, username: user.username, roles, created_at: user.created_at }))
    }
}
