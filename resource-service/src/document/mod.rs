//! Documents, and who may do what to one.
//!
//! The rule, which stands nowhere else: a document is its owner's. Whoever has the role `admin` and was also given the
//! scope `documents:admin` reaches everybody's; the role alone is not enough, because a person may hand a client less
//! than they are allowed. To everyone else somebody's document does not exist, whether they guess its id or read,
//! replace or delete it.

mod id;
mod text;

pub(crate) use id::DocumentId;
pub(crate) use text::{Faults, Text};

use shared::{
    database::Database,
    guard::{Caller, Refusal},
    server::entity_tag::Precondition,
};

use crate::store::{StoreError, document as table};

/// The role that, with [`ADMIN_SCOPE`], reaches everybody's documents.
pub(crate) const ADMIN_ROLE: &str = "admin";
/// The scope that, with [`ADMIN_ROLE`], reaches everybody's documents. Keep in step with `http::ApiScope`.
pub(crate) const ADMIN_SCOPE: &str = "documents:admin";

/// A document; times are seconds since 1970.
#[derive(Debug)]
pub(crate) struct Document {
    pub id: DocumentId,
    pub owner: String,
    pub title: String,
    pub content: String,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A document without its content, as a list shows it.
#[derive(Debug)]
pub(crate) struct Summary {
    pub id: DocumentId,
    pub owner: String,
    pub title: String,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// Whose documents a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'a> {
    /// The caller's own.
    Own,
    /// One owner's.
    Of(&'a str),
    /// All there are.
    Everyones,
}

/// A stretch of a list, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub documents: Vec<Summary>,
    /// The document behind which the next page begins, if there is one.
    pub next: Option<DocumentId>,
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// There is none of that id, or none that this caller may know of.
    #[error("there is no such document")]
    NotFound,
    /// It is not in a version that the caller asked for.
    #[error("the document has changed")]
    Changed,
    /// The owner has as many documents as they may.
    #[error("the owner already has {0} documents")]
    Full(u64),
    /// The caller lacks a role or a scope.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Demands what it takes to reach everybody's documents.
pub(crate) fn require_oversight(caller: &Caller) -> Result<(), Refusal> {
    caller.require(ADMIN_SCOPE)?;
    caller.require_role(ADMIN_ROLE)
}

/// Whether this caller may know of, and do anything to, a document of this owner.
fn reaches(caller: &Caller, owner: &str) -> bool {
    caller.subject() == owner || require_oversight(caller).is_ok()
}

/// All documents, each behind the rule of this module.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    database: Database,
    limit_per_owner: u64,
}

impl Documents {
    pub(crate) fn new(database: Database, limit_per_owner: u64) -> Self {
        Self { database, limit_per_owner }
    }

    /// Makes a document of the caller's own.
    pub(crate) async fn create(&self, caller: &Caller, text: Text, now: i64) -> Result<Document, DocumentError> {
        let row = table::Model {
            id: DocumentId::generate().to_string(),
            owner: caller.subject().to_owned(),
            title: text.title,
            content: text.content,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        match table::insert(&self.database, row.clone(), self.limit_per_owner).await? {
            table::Insertion::Inserted => Ok(row.into()),
            table::Insertion::Full => Err(DocumentError::Full(self.limit_per_owner)),
        }
    }

    /// Lists documents, newest first, continuing behind the document `after`.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        whose: Whose<'_>,
        after: Option<&DocumentId>,
        limit: u32,
    ) -> Result<Page, DocumentError> {
        let owner = match whose {
            Whose::Own => Some(caller.subject()),
            Whose::Of(owner) => Some(owner),
            Whose::Everyones => None,
        };
        if owner != Some(caller.subject()) {
            require_oversight(caller)?;
        }
        // One more than asked for tells whether there is a next page.
        let more = u64::from(limit) + 1;
        let mut rows = table::list(&self.database, owner, after.map(DocumentId::as_str), more).await?;
        let is_last = rows.len() <= limit as usize;
        rows.truncate(limit as usize);
        let documents: Vec<Summary> = rows.into_iter().map(Summary::from).collect();
        let next = if is_last { None } else { documents.last().map(|last| last.id.clone()) };
        Ok(Page { documents, next })
    }

    /// One document.
    pub(crate) async fn read(&self, caller: &Caller, id: &DocumentId) -> Result<Document, DocumentError> {
        match table::find(&self.database, id.as_str()).await? {
            Some(row) if reaches(caller, &row.owner) => Ok(row.into()),
            Some(_) | None => Err(DocumentError::NotFound),
        }
    }

    /// Replaces what a document says.
    pub(crate) async fn replace(
        &self,
        caller: &Caller,
        id: &DocumentId,
        precondition: &Precondition,
        text: Text,
        now: i64,
    ) -> Result<Document, DocumentError> {
        let version = self.version_to_change(caller, id, precondition).await?;
        let replacement = table::Replacement { title: text.title, content: text.content, updated_at: now };
        match table::replace(&self.database, id.as_str(), version, replacement).await? {
            Some(row) => Ok(row.into()),
            None => Err(lost(version)),
        }
    }

    /// Deletes a document.
    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        id: &DocumentId,
        precondition: &Precondition,
    ) -> Result<(), DocumentError> {
        let version = self.version_to_change(caller, id, precondition).await?;
        if table::delete(&self.database, id.as_str(), version).await? { Ok(()) } else { Err(lost(version)) }
    }

    /// Sees that the caller may change the document and means the version it has; answers the version that the change
    /// must still find, so that nobody else's change slips in between.
    async fn version_to_change(
        &self,
        caller: &Caller,
        id: &DocumentId,
        precondition: &Precondition,
    ) -> Result<Option<i64>, DocumentError> {
        let document = self.read(caller, id).await?;
        match precondition {
            Precondition::None => Ok(None),
            Precondition::Versions(versions) if versions.contains(&document.version) => Ok(Some(document.version)),
            Precondition::Versions(_) => Err(DocumentError::Changed),
        }
    }
}

/// What it means that a change found no document, though there was one a moment ago.
fn lost(version: Option<i64>) -> DocumentError {
    match version {
        Some(_) => DocumentError::Changed,
        None => DocumentError::NotFound,
    }
}

impl From<table::Model> for Document {
    fn from(row: table::Model) -> Self {
        Self {
            id: DocumentId::kept(row.id),
            owner: row.owner,
            title: row.title,
            content: row.content,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<table::Summary> for Summary {
    fn from(row: table::Summary) -> Self {
        Self {
            id: DocumentId::kept(row.id),
            owner: row.owner,
            title: row.title,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
