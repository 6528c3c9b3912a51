//! Versions, so that two administrators cannot overwrite each other unawares, and a name to show for a person.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text_null},
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_version"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["user", "role", "client", "resource"] {
            add(manager, table, big_integer("version").default(1).take()).await?;
        }
        add(manager, "user", text_null("display_name")).await
    }
}

/// Adds one column: SQLite takes no more in one statement.
async fn add(manager: &SchemaManager<'_>, table: &'static str, column: ColumnDef) -> Result<(), DbErr> {
    manager.alter_table(Table::alter().table(table).add_column(column).take()).await
}
