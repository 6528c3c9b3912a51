//! The schema's history: one file per step, applied in this order, never edited once released.

mod m20261122_000001_create_document;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Brings a database from any earlier version to this one.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261122_000001_create_document::Migration)]
    }
}
