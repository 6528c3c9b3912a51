//! The audit trail becomes a chain: each event has a number and a hash over itself and the one before.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, integer, string, string_null, text},
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_audit_chain"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [big_integer_null("seq"), string_null("hash")] {
            manager.alter_table(Table::alter().table("audit_event").add_column(column).take()).await?;
        }
        manager.create_table(audit_chain()).await?;
        manager.create_table(audit_checkpoint()).await?;
        manager.create_index(index("audit_event", "seq").unique().take()).await?;
        manager.create_index(index("audit_event", "subject").take()).await?;
        let head = Query::insert()
            .into_table("audit_chain")
            .columns(["id", "seq", "hash", "turn"])
            .values_panic([1.into(), 0_i64.into(), "".into(), 0_i64.into()])
            .take();
        manager.execute(head).await
    }
}

fn index(table: &'static str, column: &'static str) -> IndexCreateStatement {
    Index::create().name(format!("{table}_by_{column}")).table(table).col(column).take()
}

/// One row: the end of the chain. Whoever adds to the chain takes it first.
fn audit_chain() -> TableCreateStatement {
    Table::create()
        .table("audit_chain")
        .col(integer("id").primary_key())
        .col(big_integer("seq"))
        .col(string("hash"))
        .col(big_integer("turn"))
        .take()
}

/// `token` is signed for everybody; `mac` is by a key that the database does not hold in the clear.
fn audit_checkpoint() -> TableCreateStatement {
    Table::create()
        .table("audit_checkpoint")
        .col(big_integer("seq").primary_key())
        .col(string("hash"))
        .col(big_integer("made_at"))
        .col(text("token"))
        .col(string("mac"))
        .take()
}
