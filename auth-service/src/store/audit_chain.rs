//! `audit_chain`, `audit_checkpoint`: the end of the chain of audit events, and signed statements about it.
//!
//! To number an event in the transaction of its change would let one login at a time commit. So events are recorded
//! without a number, and sealed in the order of their arrival a moment later, a batch at a time.

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{IntoValueTuple, OnConflict, Query, ValueTuple},
};

use super::{AuditEvent, Store, StoreError, audit_event, grouped};

/// The one row.
const HEAD: i32 = 1;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_chain")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i32,
    /// The number of the last sealed event.
    pub(crate) seq: i64,
    pub(crate) hash: String,
    /// Grows whenever somebody takes the row.
    pub(crate) turn: i64,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod audit_checkpoint {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_checkpoint")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) seq: i64,
        /// The hash of that event.
        pub(crate) hash: String,
        pub(crate) made_at: i64,
        /// A JWS by the key that signed tokens then.
        pub(crate) token: String,
        pub(crate) mac: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) use audit_checkpoint::Model as Checkpoint;

/// The end of the chain.
pub(crate) async fn head(store: &Store) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(HEAD).one(store.database.reader()).await?)
}

/// Seals a batch of events that are not sealed yet; `link` makes an event's hash of its number and the hash before it.
/// Of several replicas one does so at a time. Says how many were sealed.
pub(crate) async fn seal(
    store: &Store,
    batch: u64,
    link: impl Fn(&str, i64, &AuditEvent) -> String + Send,
) -> Result<u64, StoreError> {
    let unsealed = || audit_event::Entity::find().filter(audit_event::Column::Seq.is_null());
    // Most of the time there is nothing to do, and no reason to take the writer.
    if unsealed().one(store.database.reader()).await?.is_none() {
        return Ok(0);
    }
    let transaction = store.database.begin().await?;
    Entity::update_many()
        .col_expr(Column::Turn, Expr::col(Column::Turn).add(1))
        .filter(Column::Id.eq(HEAD))
        .exec(&transaction)
        .await?;
    let head = Entity::find_by_id(HEAD).one(&transaction).await?;
    let Some(mut head) = head else { return Err(DbErr::Custom("audit_chain has no row".to_owned()).into()) };
    let events = unsealed().order_by_asc(audit_event::Column::Id).limit(batch).all(&transaction).await?;
    let sealed = events.len() as u64;
    for events in grouped::portions(&events) {
        let mut links = Vec::with_capacity(events.len());
        for event in events {
            head.seq += 1;
            head.hash = link(&head.hash, head.seq, event);
            links.push((event.id.as_str(), head.seq, head.hash.as_str()).into_value_tuple());
        }
        write(&transaction, links).await?;
    }
    Entity::update_many()
        .col_expr(Column::Seq, Expr::value(head.seq))
        .col_expr(Column::Hash, Expr::value(head.hash))
        .filter(Column::Id.eq(HEAD))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(sealed)
}

/// Gives events, by their identifiers, their numbers and hashes.
async fn write(transaction: &DatabaseTransaction, links: Vec<ValueTuple>) -> Result<(), StoreError> {
    const LINK: &str = "link";
    let mut update = Query::update();
    update
        .table(audit_event::Entity)
        .value(audit_event::Column::Seq, Expr::col((LINK, "column2")))
        .value(audit_event::Column::Hash, Expr::col((LINK, "column3")))
        .from(grouped::rows_as(LINK, links))
        .and_where(Expr::col((audit_event::Entity, audit_event::Column::Id)).equals((LINK, "column1")));
    transaction.execute(&update).await?;
    Ok(())
}

/// Sealed events behind this number, in order.
pub(crate) async fn sealed_after(store: &Store, seq: i64, limit: u64) -> Result<Vec<AuditEvent>, StoreError> {
    let events = audit_event::Entity::find().filter(audit_event::Column::Seq.gt(seq)).order_by_asc(audit_event::Column::Seq);
    Ok(events.limit(limit).all(store.database.reader()).await?)
}

/// How many events are not sealed yet.
pub(crate) async fn count_unsealed(store: &Store) -> Result<u64, StoreError> {
    let unsealed = audit_event::Entity::find().filter(audit_event::Column::Seq.is_null());
    Ok(unsealed.count(store.database.reader()).await?)
}

/// Checkpoints behind this number, oldest first.
pub(crate) async fn checkpoints_after(store: &Store, seq: i64, limit: u64) -> Result<Vec<Checkpoint>, StoreError> {
    let checkpoints = audit_checkpoint::Entity::find().filter(audit_checkpoint::Column::Seq.gt(seq));
    Ok(checkpoints.order_by_asc(audit_checkpoint::Column::Seq).limit(limit).all(store.database.reader()).await?)
}

/// The latest checkpoint.
pub(crate) async fn latest_checkpoint(store: &Store) -> Result<Option<Checkpoint>, StoreError> {
    let checkpoints = audit_checkpoint::Entity::find().order_by_desc(audit_checkpoint::Column::Seq);
    Ok(checkpoints.one(store.database.reader()).await?)
}

/// Keeps a checkpoint, unless another replica has made one at that event.
pub(crate) async fn keep_checkpoint(store: &Store, checkpoint: Checkpoint) -> Result<(), StoreError> {
    audit_checkpoint::Entity::insert(checkpoint.into_active_model())
        .on_conflict(OnConflict::column(audit_checkpoint::Column::Seq).do_nothing().to_owned())
        .exec_without_returning(store.database.writer())
        .await?;
    Ok(())
}

/// Forgets the events up to a checkpoint, which stays: it is what the rest of the chain hangs on. Says how many.
pub(crate) async fn forget_up_to(store: &Store, checkpoint: &Checkpoint) -> Result<u64, StoreError> {
    let transaction = store.database.begin().await?;
    let forgotten =
        audit_event::Entity::delete_many().filter(audit_event::Column::Seq.lte(checkpoint.seq)).exec(&transaction).await?;
    audit_checkpoint::Entity::delete_many().filter(audit_checkpoint::Column::Seq.lt(checkpoint.seq)).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(forgotten.rows_affected)
}
