//! Documents, each with one owner.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("document")
                    .col(text("id").primary_key())
                    .col(text("owner"))
                    .col(text("title"))
                    .col(text("content"))
                    .col(big_integer("version"))
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .to_owned(),
            )
            .await?;
        // One owner's documents are counted and listed in the order of their ids.
        manager.create_index(Index::create().name("document_owner_id").table("document").col("owner").col("id").to_owned()).await
    }
}
