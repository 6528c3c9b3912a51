//! What is kept, one file per table, in verbs that are each atomic.
//!
//! The store knows no rule of who may do what: that is `document.rs`.

pub(crate) mod document;
pub(crate) mod migration;
pub(crate) mod schema;

use sea_orm::DbErr;

/// The database could not do what was asked: it is away, too busy, or broken.
#[derive(Debug, thiserror::Error)]
#[error("the database failed")]
pub(crate) struct StoreError(#[from] DbErr);
