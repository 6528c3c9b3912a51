//! The first schema. Instants are seconds since 1970; digests are SHA-256 in base64url.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, binary, binary_null, boolean, integer, string, string_null, text, text_null},
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            setting(),
            user(),
            resource(),
            resource_scope(),
            role(),
            role_scope(),
            user_role(),
            client(),
            client_secret(),
            client_role(),
            signing_key(),
            status_list(),
            status_block(),
            revoked_status(),
            session(),
            refresh_token(),
            audit_event(),
        ] {
            manager.create_table(table).await?;
        }
        for index in [
            index("user_role", &["role"]),
            index("client_secret", &["client_id"]),
            index("session", &["user_id"]),
            index("session", &["expires_at"]),
            index("session", &["client_id"]),
            index("status_block", &["client_id"]),
            index("audit_event", &["at"]),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn id() -> ColumnDef {
    string("id").primary_key().take()
}

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(name).take()
}

fn refers(from: (&'static str, &'static str), to: (&'static str, &'static str)) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(from.0, from.1).to(to.0, to.1).on_delete(ForeignKeyAction::Cascade).take()
}

fn index(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create().name(format!("{table}_by_{}", columns.join("_"))).table(table).take();
    for column in columns {
        index.col(*column);
    }
    index
}

fn setting() -> TableCreateStatement {
    table("setting").col(string("name").primary_key()).col(text("value")).take()
}

fn user() -> TableCreateStatement {
    table("user")
        .col(id())
        .col(string("username"))
        .col(string("canonical").unique_key())
        .col(text("password_hash"))
        .col(string("state"))
        .col(boolean("must_change_password"))
        .col(big_integer("generation"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .take()
}

fn resource() -> TableCreateStatement {
    table("resource").col(id()).col(big_integer("created_at")).take()
}

fn resource_scope() -> TableCreateStatement {
    table("resource_scope")
        .col(string("scope").primary_key())
        .col(string("resource_id"))
        .foreign_key(&mut refers(("resource_scope", "resource_id"), ("resource", "id")))
        .take()
}

fn role() -> TableCreateStatement {
    table("role").col(string("name").primary_key()).col(big_integer("created_at")).take()
}

fn role_scope() -> TableCreateStatement {
    table("role_scope")
        .col(string("role"))
        .col(string("scope"))
        .primary_key(Index::create().col("role").col("scope"))
        .foreign_key(&mut refers(("role_scope", "role"), ("role", "name")))
        .foreign_key(&mut refers(("role_scope", "scope"), ("resource_scope", "scope")))
        .take()
}

fn user_role() -> TableCreateStatement {
    table("user_role")
        .col(string("user_id"))
        .col(string("role"))
        .primary_key(Index::create().col("user_id").col("role"))
        .foreign_key(&mut refers(("user_role", "user_id"), ("user", "id")))
        .foreign_key(&mut refers(("user_role", "role"), ("role", "name")))
        .take()
}

fn client() -> TableCreateStatement {
    table("client")
        .col(id())
        .col(string("kind"))
        .col(string("state"))
        .col(text("grants"))
        .col(text("scopes"))
        .col(string_null("default_resource"))
        .col(string_null("serves"))
        .col(text("cors_origins"))
        .col(big_integer_null("access_token_lifetime"))
        .col(big_integer_null("refresh_idle_lifetime"))
        .col(big_integer_null("refresh_absolute_lifetime"))
        .col(big_integer("generation"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .foreign_key(
            ForeignKey::create().from("client", "default_resource").to("resource", "id").on_delete(ForeignKeyAction::SetNull),
        )
        .take()
}

fn client_secret() -> TableCreateStatement {
    table("client_secret")
        .col(id())
        .col(string("client_id"))
        .col(string("digest"))
        .col(big_integer("created_at"))
        .col(big_integer_null("expires_at"))
        .foreign_key(&mut refers(("client_secret", "client_id"), ("client", "id")))
        .take()
}

fn client_role() -> TableCreateStatement {
    table("client_role")
        .col(string("client_id"))
        .col(string("role"))
        .primary_key(Index::create().col("client_id").col("role"))
        .foreign_key(&mut refers(("client_role", "client_id"), ("client", "id")))
        .foreign_key(&mut refers(("client_role", "role"), ("role", "name")))
        .take()
}

/// `id` is the RFC 7638 thumbprint. `sealed` is the private half, deleted when the key stops signing.
/// `slot` orders the keys without a clock: a replica that would make the key after this one must win the unique slot.
fn signing_key() -> TableCreateStatement {
    table("signing_key")
        .col(id())
        .col(integer("slot").unique_key())
        .col(string("algorithm"))
        .col(text("public_jwk"))
        .col(binary_null("sealed"))
        .col(big_integer("announced_at"))
        .col(big_integer("sign_from"))
        .col(big_integer_null("sign_until"))
        .col(big_integer_null("verify_until"))
        .col(big_integer_null("revoked_at"))
        .take()
}

/// `seed` scatters the places; `leased` counts the blocks that replicas have taken; `revision` grows with every change.
fn status_list() -> TableCreateStatement {
    table("status_list")
        .col(id())
        .col(integer("slot").unique_key())
        .col(binary("seed"))
        .col(integer("leased"))
        .col(big_integer("closes_at"))
        .col(big_integer("expires_at"))
        .col(big_integer("revision"))
        .take()
}

/// A block of places, leased to a replica for the tokens of one client: revoking the client revokes its blocks.
fn status_block() -> TableCreateStatement {
    table("status_block")
        .col(string("list_id"))
        .col(integer("block"))
        .col(string("client_id"))
        .col(big_integer_null("revoked_at"))
        .primary_key(Index::create().col("list_id").col("block"))
        .foreign_key(&mut refers(("status_block", "list_id"), ("status_list", "id")))
        .take()
}

fn revoked_status() -> TableCreateStatement {
    table("revoked_status")
        .col(string("list_id"))
        .col(integer("place"))
        .col(big_integer("revoked_at"))
        .primary_key(Index::create().col("list_id").col("place"))
        .foreign_key(&mut refers(("revoked_status", "list_id"), ("status_list", "id")))
        .take()
}

fn session() -> TableCreateStatement {
    table("session")
        .col(id())
        .col(string("user_id"))
        .col(string("client_id"))
        .col(string("resource_id"))
        .col(text("scope"))
        .col(string_null("device"))
        .col(string("ip"))
        .col(big_integer("generation"))
        .col(big_integer("created_at"))
        .col(big_integer("last_used_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("ended_at"))
        .col(string_null("ended_why"))
        .foreign_key(&mut refers(("session", "user_id"), ("user", "id")))
        .foreign_key(&mut refers(("session", "client_id"), ("client", "id")))
        .take()
}

/// A link of a family. `seq` orders the links without a clock. `list_id` and `place` say where the access token that was
/// issued with the link can be revoked, for as long as it lives. A family without refreshing has one link, without digest.
fn refresh_token() -> TableCreateStatement {
    table("refresh_token")
        .col(string("session_id"))
        .col(integer("seq"))
        .col(string_null("digest").unique_key())
        .col(big_integer("issued_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("consumed_at"))
        .col(string("list_id"))
        .col(integer("place"))
        .col(big_integer("access_expires_at"))
        .primary_key(Index::create().col("session_id").col("seq"))
        .foreign_key(&mut refers(("refresh_token", "session_id"), ("session", "id")))
        .take()
}

fn audit_event() -> TableCreateStatement {
    table("audit_event")
        .col(id())
        .col(big_integer("at"))
        .col(string("action"))
        .col(string("outcome"))
        .col(string_null("reason"))
        .col(string_null("actor"))
        .col(string_null("subject"))
        .col(string_null("client_id"))
        .col(string_null("ip"))
        .col(string_null("request_id"))
        .col(text_null("detail"))
        .take()
}
