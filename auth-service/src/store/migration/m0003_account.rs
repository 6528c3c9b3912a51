//! Guesses at passwords and secrets, and invitations. Instants of guesses are milliseconds since 1970.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, integer, string, string_null, text},
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_account"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [login_attempt(), guessed_name(), invitation()] {
            manager.create_table(table).await?;
        }
        for (table, column) in [("login_attempt", "expires_at"), ("guessed_name", "at"), ("invitation", "expires_at")] {
            let index = Index::create().name(format!("{table}_by_{column}")).table(table).col(column).take();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// A lane: `key` is an HMAC of what it counts guesses for. `pending` guesses are being checked, and count as failures
/// after `pending_until` unless they have been given back.
fn login_attempt() -> TableCreateStatement {
    Table::create()
        .table("login_attempt")
        .col(string("key").primary_key())
        .col(string("kind"))
        .col(integer("failures"))
        .col(big_integer("since"))
        .col(big_integer("failed_at"))
        .col(integer("pending"))
        .col(big_integer("pending_until"))
        .col(big_integer("closed_until"))
        .col(big_integer_null("succeeded_at"))
        .col(big_integer("expires_at"))
        .take()
}

/// A name that a source guessed at; both are HMACs.
fn guessed_name() -> TableCreateStatement {
    Table::create()
        .table("guessed_name")
        .col(string("source"))
        .col(string("name"))
        .col(big_integer("at"))
        .primary_key(Index::create().col("source").col("name"))
        .take()
}

/// An invitation is good for one registration. `digest` is the SHA-256 of its code.
fn invitation() -> TableCreateStatement {
    Table::create()
        .table("invitation")
        .col(string("id").primary_key())
        .col(string("digest").unique_key())
        .col(text("roles"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(string_null("used_by"))
        .take()
}
