//! What is asked at every request: a client, the catalog of resources, what roles hold. Kept in memory, and exact as
//! `followed` beside it says.

use std::sync::Arc;

use moka::sync::Cache;
use tokio::sync::OnceCell;

use super::{
    Catalog, Client, Rights, Store, StoreError,
    client::{self, State},
    resource, role,
};

/// The row of `setting` that is marked when a client, a resource or a role changes.
pub(super) const MARK: &str = "rights_mark";
/// How many of each kind are kept. Only what exists is: nobody fills the memory with names.
const MOST: u64 = 10_000;

/// What has been asked since the last change.
#[derive(Debug)]
pub(crate) struct Known {
    catalog: OnceCell<Arc<Catalog>>,
    clients: Cache<String, Arc<Client>>,
    rights: Cache<Vec<String>, Arc<Rights>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { catalog: OnceCell::new(), clients: Cache::new(MOST), rights: Cache::new(MOST) }
    }
}

impl Known {
    /// Every protected resource with its scopes.
    pub(crate) async fn catalog(&self, store: &Store) -> Result<&Arc<Catalog>, StoreError> {
        self.catalog.get_or_try_init(async || Ok(Arc::new(resource::catalog(store).await?))).await
    }

    /// The client of that identifier.
    pub(crate) async fn client(&self, store: &Store, id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(known) = self.clients.get(id) {
            return Ok(Some(known));
        }
        let found = client::by_id(store, id).await?.map(Arc::new);
        if let Some(found) = &found {
            self.clients.insert(id.to_owned(), Arc::clone(found));
        }
        Ok(found)
    }

    /// Whether there is such a client and it may be used.
    pub(crate) async fn is_active(&self, store: &Store, id: &str) -> Result<bool, StoreError> {
        Ok(self.client(store, id).await?.is_some_and(|client| client.row.state == State::Active))
    }

    /// The scopes of all these roles together.
    pub(crate) async fn rights(&self, store: &Store, roles: &[String]) -> Result<Arc<Rights>, StoreError> {
        if let Some(known) = self.rights.get(roles) {
            return Ok(known);
        }
        let rights = Arc::new(role::rights(store, roles.to_vec()).await?);
        self.rights.insert(roles.to_vec(), Arc::clone(&rights));
        Ok(rights)
    }
}
