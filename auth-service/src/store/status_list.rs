//! `status_list`, `status_block`, `revoked_status`: where access tokens can be revoked, and which of them are.
//!
//! A list is divided into blocks of places. A replica leases a block for the tokens of one client and hands its places out
//! from memory, so that issuing a token writes nothing.

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseTransaction, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect, SqlErr,
    entity::prelude::*, sea_query::OnConflict,
};

use super::{AuditEvent, Store, StoreError, audit_event, client};

/// How many places a lease holds.
pub(crate) const BLOCK: i32 = 256;
/// How many blocks a list holds.
pub(crate) const BLOCKS: i32 = 4096;
/// How often a lease is tried again when other replicas are quicker.
const ATTEMPTS: usize = 32;
/// How many places one statement revokes: databases bound the parameters of a statement.
const BATCH: usize = 1000;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "status_list")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    /// Orders the lists, and lets one replica open each.
    pub(crate) slot: i32,
    /// Scatters the places, so that neighbours in time are not neighbours in the list.
    pub(crate) seed: Vec<u8>,
    /// How many blocks have been leased.
    pub(crate) leased: i32,
    /// From when on no place is handed out any more.
    pub(crate) closes_at: i64,
    /// When its last token has ended.
    pub(crate) expires_at: i64,
    /// Grows with every change.
    pub(crate) revision: i64,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod status_block {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "status_block")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) list_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) block: i32,
        pub(crate) client_id: String,
        pub(crate) revoked_at: Option<i64>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod revoked_status {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revoked_status")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) list_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) place: i32,
        pub(crate) revoked_at: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Whose tokens a block is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub(crate) client_id: &'a str,
    /// None: it is built in, has no row and never changes.
    pub(crate) generation: Option<i64>,
}

/// A leased block.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) list: Model,
    pub(crate) block: i32,
}

/// What came of asking for a block.
#[derive(Clone, Debug)]
pub(crate) enum Leased {
    Block(Lease),
    /// There is no such client any more, or it may not be used.
    Disabled,
    /// Everything that it was issued has ended since it proved who it is.
    Changed,
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) list_id: String,
    pub(crate) place: i32,
}

/// What of a list is revoked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revoked {
    pub(crate) places: Vec<i32>,
    /// Whole blocks: everything a client was issued.
    pub(crate) blocks: Vec<i32>,
}

/// Leases a block for the tokens of a client, if it is still what it was when it proved who it is: a disabling revokes the
/// blocks there are. `fresh` is the list that is opened if none is open.
pub(crate) async fn lease(
    store: &Store,
    holder: Holder<'_>,
    now: i64,
    fresh: impl Fn(i32) -> Model,
) -> Result<Leased, StoreError> {
    for _ in 0..ATTEMPTS {
        let transaction = store.database.begin().await?;
        if let Some(generation) = holder.generation {
            let client = client::Entity::find_by_id(holder.client_id).lock_shared().one(&transaction).await?;
            match client.filter(|client| client.state == client::State::Active) {
                Some(client) if client.generation == generation => {}
                Some(_) => return Ok(Leased::Changed),
                None => return Ok(Leased::Disabled),
            }
        }
        let newest = Entity::find().order_by_desc(Column::Slot).one(&transaction).await?;
        let list = match newest {
            Some(list) if list.closes_at > now && list.leased < BLOCKS => list,
            other => match open(&transaction, fresh(other.map_or(1, |list| list.slot + 1))).await? {
                Some(list) => list,
                None => continue,
            },
        };
        let block = list.leased;
        let taken = Entity::update_many()
            .col_expr(Column::Leased, Expr::value(block + 1))
            .filter(Column::Id.eq(&list.id))
            .filter(Column::Leased.eq(block))
            .exec(&transaction)
            .await?;
        if taken.rows_affected == 0 {
            continue;
        }
        let row = status_block::ActiveModel {
            list_id: Set(list.id.clone()),
            block: Set(block),
            client_id: Set(holder.client_id.to_owned()),
            revoked_at: Set(None),
        };
        status_block::Entity::insert(row).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        return Ok(Leased::Block(Lease { list, block }));
    }
    Err(DbErr::Custom("no place in a status list could be leased".to_owned()).into())
}

async fn open(transaction: &DatabaseTransaction, list: Model) -> Result<Option<Model>, StoreError> {
    match Entity::insert(list.clone().into_active_model()).exec_without_returning(transaction).await {
        Ok(_) => Ok(Some(list)),
        Err(error) => match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(None),
            _ => Err(error.into()),
        },
    }
}

/// The lists that still have living tokens, oldest first.
pub(crate) async fn live(store: &Store, now: i64) -> Result<Vec<Model>, StoreError> {
    let lists = Entity::find().filter(Column::ExpiresAt.gt(now)).order_by_asc(Column::Slot);
    Ok(lists.all(store.database.reader()).await?)
}

/// What of a list is revoked.
pub(crate) async fn revoked(store: &Store, list_id: &str) -> Result<Revoked, StoreError> {
    let places = revoked_status::Entity::find()
        .select_only()
        .column(revoked_status::Column::Place)
        .filter(revoked_status::Column::ListId.eq(list_id))
        .into_tuple()
        .all(store.database.reader())
        .await?;
    let blocks = status_block::Entity::find()
        .select_only()
        .column(status_block::Column::Block)
        .filter(status_block::Column::ListId.eq(list_id))
        .filter(status_block::Column::RevokedAt.is_not_null())
        .into_tuple()
        .all(store.database.reader())
        .await?;
    Ok(Revoked { places, blocks })
}

/// Whether a place is revoked, by itself or with its block.
pub(crate) async fn is_revoked(store: &Store, place: &Place, block: i32) -> Result<bool, StoreError> {
    let reader = store.database.reader();
    let by_itself = revoked_status::Entity::find_by_id((place.list_id.clone(), place.place)).one(reader).await?;
    if by_itself.is_some() {
        return Ok(true);
    }
    let block = status_block::Entity::find_by_id((place.list_id.clone(), block)).one(reader).await?;
    Ok(block.is_none_or(|block| block.revoked_at.is_some()))
}

/// Revokes one place, and records it.
pub(crate) async fn revoke_one(store: &Store, place: Place, now: i64, event: AuditEvent) -> Result<(), StoreError> {
    let transaction = store.database.begin().await?;
    revoke(&transaction, &[place], now).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(())
}

/// Revokes places within the transaction of the change that ends their tokens.
pub(super) async fn revoke(connection: &impl ConnectionTrait, places: &[Place], now: i64) -> Result<(), StoreError> {
    for places in places.chunks(BATCH) {
        revoke_batch(connection, places, now).await?;
    }
    Ok(())
}

async fn revoke_batch(connection: &impl ConnectionTrait, places: &[Place], now: i64) -> Result<(), StoreError> {
    let rows = places.iter().map(|place| revoked_status::ActiveModel {
        list_id: Set(place.list_id.clone()),
        place: Set(place.place),
        revoked_at: Set(now),
    });
    revoked_status::Entity::insert_many(rows)
        .on_conflict(OnConflict::columns([revoked_status::Column::ListId, revoked_status::Column::Place]).do_nothing().to_owned())
        .exec_without_returning(connection)
        .await?;
    touch(connection, places.iter().map(|place| place.list_id.clone()).collect()).await
}

/// Revokes everything that a client was issued and that is still alive.
pub(super) async fn revoke_client(connection: &impl ConnectionTrait, client_id: &str, now: i64) -> Result<(), StoreError> {
    let lists: Vec<String> = status_block::Entity::find()
        .select_only()
        .column(status_block::Column::ListId)
        .distinct()
        .filter(status_block::Column::ClientId.eq(client_id))
        .into_tuple()
        .all(connection)
        .await?;
    status_block::Entity::update_many()
        .col_expr(status_block::Column::RevokedAt, Expr::value(now))
        .filter(status_block::Column::ClientId.eq(client_id))
        .filter(status_block::Column::RevokedAt.is_null())
        .exec(connection)
        .await?;
    touch(connection, lists).await
}

async fn touch(connection: &impl ConnectionTrait, lists: Vec<String>) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.is_in(lists))
        .exec(connection)
        .await?;
    Ok(())
}

/// Forgets the lists whose last token has ended; their blocks and places go with them.
pub(crate) async fn purge(store: &Store, now: i64) -> Result<u64, StoreError> {
    Ok(Entity::delete_many().filter(Column::ExpiresAt.lte(now)).exec(store.database.writer()).await?.rows_affected)
}
