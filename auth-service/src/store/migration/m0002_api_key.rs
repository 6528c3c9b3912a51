//! API keys, and where the access tokens that they were exchanged for can be revoked.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, integer, string, string_null, text},
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_api_key"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(api_key()).await?;
        manager.create_table(api_key_token()).await?;
        for (name, table, column) in [
            ("api_key_by_user_id", "api_key", "user_id"),
            ("api_key_token_by_key_id", "api_key_token", "key_id"),
            ("api_key_token_by_expires_at", "api_key_token", "expires_at"),
        ] {
            manager.create_index(Index::create().name(name).table(table).col(column).take()).await?;
        }
        Ok(())
    }
}

fn refers(from: (&'static str, &'static str), to: (&'static str, &'static str)) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(from.0, from.1).to(to.0, to.1).on_delete(ForeignKeyAction::Cascade).take()
}

/// `digest` is that of the whole key. After a rotation the key before it is good until `previous_until`.
fn api_key() -> TableCreateStatement {
    Table::create()
        .table("api_key")
        .col(string("id").primary_key())
        .col(string("user_id"))
        .col(string("name"))
        .col(text("scopes"))
        .col(text("sources"))
        .col(string("digest"))
        .col(string("last_four"))
        .col(string_null("previous_digest"))
        .col(big_integer_null("previous_until"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("last_used_at"))
        .col(big_integer_null("revoked_at"))
        .foreign_key(&mut refers(("api_key", "user_id"), ("user", "id")))
        .take()
}

/// The place of an access token that a key was exchanged for, while it lives.
fn api_key_token() -> TableCreateStatement {
    Table::create()
        .table("api_key_token")
        .col(string("list_id"))
        .col(integer("place"))
        .col(string("key_id"))
        .col(big_integer("expires_at"))
        .primary_key(Index::create().col("list_id").col("place"))
        .foreign_key(&mut refers(("api_key_token", "list_id"), ("status_list", "id")))
        .foreign_key(&mut refers(("api_key_token", "key_id"), ("api_key", "id")))
        .take()
}
