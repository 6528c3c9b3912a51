//! The schema, as numbered steps that are never edited once released. Steps import nothing from the tables beside them.

mod m0001_first;
mod m0002_api_key;
mod m0003_account;
mod m0004_version;
mod m0005_audit_chain;

use sea_orm_migration::prelude::*;

/// Every step, in order.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0002_api_key::Migration),
            Box::new(m0003_account::Migration),
            Box::new(m0004_version::Migration),
            Box::new(m0005_audit_chain::Migration),
        ]
    }
}
