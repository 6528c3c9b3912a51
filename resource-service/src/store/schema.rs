//! How the schema of a database stands to this version.

use sea_orm_migration::MigratorTrait;
use shared::database::Database;

use super::{StoreError, migration::Migrator};

/// What was found of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Every step was taken.
    Current,
    /// So many steps are still to be taken.
    Behind(usize),
    /// A newer version of this program was here.
    Newer,
}

/// Looks, and changes nothing.
pub(crate) async fn of(database: &Database) -> Result<Schema, StoreError> {
    let known = Migrator::migrations();
    let applied = database.applied_steps::<Migrator>().await?;
    if applied.iter().any(|name| !known.iter().any(|step| step.name() == *name)) {
        return Ok(Schema::Newer);
    }
    Ok(match known.len() - applied.len() {
        0 => Schema::Current,
        steps => Schema::Behind(steps),
    })
}
