//! `login_attempt`: wrong guesses at passwords and secrets, counted in lanes; `guessed_name`: the names a source tried.
//!
//! What a lane is for cannot be read from it: keys are HMACs. Instants are milliseconds since 1970.

use moka::sync::Cache;
use sea_orm::{ActiveValue::Set, ConnectionTrait, IntoActiveModel, PaginatorTrait, entity::prelude::*, sea_query::OnConflict};

use super::{
    AuditEvent, Store, StoreError, audit_event,
    batch::{Batch, forget_earliest},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_attempt")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) failures: i32,
    /// Since when the failures are counted.
    pub(crate) since: i64,
    pub(crate) failed_at: i64,
    /// Guesses that are being checked.
    pub(crate) pending: i32,
    /// From when on a pending guess counts as a failure.
    pub(crate) pending_until: i64,
    pub(crate) closed_until: i64,
    /// The last success, where that matters.
    pub(crate) succeeded_at: Option<i64>,
    pub(crate) expires_at: i64,
}

/// What a lane counts guesses for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
pub(crate) enum Kind {
    /// Everything that comes from a network.
    #[sea_orm(string_value = "source")]
    Source,
    /// An account at a client from a network where it has logged in before.
    #[sea_orm(string_value = "familiar")]
    Familiar,
    /// An account from everywhere else.
    #[sea_orm(string_value = "account")]
    Account,
    /// A secret of a client or the like, from a network.
    #[sea_orm(string_value = "secret")]
    Secret,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod guessed_name {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "guessed_name")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) source: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) at: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A name that a source has just guessed at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guess<'a> {
    pub(crate) source: &'a str,
    pub(crate) name: &'a str,
    pub(crate) at: i64,
    /// Since when names are counted.
    pub(crate) since: i64,
}

impl Model {
    /// A lane on which nothing has happened.
    pub(crate) fn empty(key: &str, kind: Kind) -> Self {
        Self {
            key: key.to_owned(),
            kind,
            failures: 0,
            since: 0,
            failed_at: 0,
            pending: 0,
            pending_until: 0,
            closed_until: 0,
            succeeded_at: None,
            expires_at: 0,
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self { expires_at: self.expires_at, ..Self::empty(&self.key, self.kind) }
    }
}

/// The row of `setting` that is marked when something happens on the lane of a secret.
pub(super) const MARK: &str = "guesses_mark";
/// How many lanes are remembered.
const MOST: u64 = 10_000;

/// The lanes of secrets on which nothing has happened: those of the programs that know their secret, and ask all day.
#[derive(Debug)]
pub(super) struct Untouched(Cache<String, ()>);

impl Default for Untouched {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

/// Changes lanes in one step, each as it is at that moment, and hands `decide` also how many names the source of `guess` has
/// tried. Whoever takes several lanes takes them in the order of [`Kind`], so that nobody waits for each other.
///
/// A lane that `decide` leaves as it was is not written, and one that it leaves empty is forgotten.
#[tracing::instrument(target = "trace", name = "db login_attempt.change", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn change<T>(
    store: &Store,
    lanes: &[(String, Kind)],
    guess: Option<Guess<'_>>,
    decide: impl FnOnce(&mut [Model], u64) -> T,
) -> Result<T, StoreError> {
    let transaction = store.database.begin().await?;
    let mut rows = Vec::with_capacity(lanes.len());
    for (key, kind) in lanes {
        rows.push(take(&transaction, key, *kind).await?);
    }
    let names = match guess {
        Some(guess) => note(&transaction, guess).await?,
        None => 0,
    };
    let before = rows.clone();
    let decided = decide(&mut rows, names);
    if rows == before && guess.is_none() {
        // Dropping the transaction takes back the rows that were only made to hold the lanes.
        return Ok(decided);
    }
    for row in rows {
        if row.is_empty() {
            Entity::delete_by_id(row.key).exec(&transaction).await?;
        } else {
            Entity::update(row.into_active_model().reset_all()).exec(&transaction).await?;
        }
    }
    let is_of_a_secret = lanes.iter().any(|(_, kind)| *kind == Kind::Secret);
    if is_of_a_secret {
        store.untouched.mark(&transaction).await?;
    }
    transaction.commit().await?;
    if is_of_a_secret {
        store.untouched.changed();
    }
    Ok(decided)
}

/// Takes a lane for this transaction alone, making it if need be: an update that changes nothing holds the row.
async fn take(connection: &impl ConnectionTrait, key: &str, kind: Kind) -> Result<Model, StoreError> {
    Ok(Entity::insert(Model::empty(key, kind).into_active_model())
        .on_conflict(OnConflict::column(Column::Key).update_column(Column::Key).to_owned())
        .exec_with_returning(connection)
        .await?)
}

async fn note(connection: &impl ConnectionTrait, guess: Guess<'_>) -> Result<u64, StoreError> {
    let row =
        guessed_name::ActiveModel { source: Set(guess.source.to_owned()), name: Set(guess.name.to_owned()), at: Set(guess.at) };
    let columns = [guessed_name::Column::Source, guessed_name::Column::Name];
    guessed_name::Entity::insert(row)
        .on_conflict(OnConflict::columns(columns).update_column(guessed_name::Column::At).to_owned())
        .exec_without_returning(connection)
        .await?;
    Ok(guessed_name::Entity::find()
        .filter(guessed_name::Column::Source.eq(guess.source))
        .filter(guessed_name::Column::At.gt(guess.since))
        .count(connection)
        .await?)
}

/// The lane of a secret, if anything has happened on it.
pub(crate) async fn of_secret(store: &Store, key: &str) -> Result<Option<Model>, StoreError> {
    let untouched = store.untouched.recent(store).await?;
    if untouched.0.contains_key(key) {
        return Ok(None);
    }
    let lane = by_key(store, key).await?;
    if lane.is_none() {
        untouched.0.insert(key.to_owned(), ());
    }
    Ok(lane)
}

/// A lane, if anything has happened on it.
#[tracing::instrument(target = "trace", name = "db login_attempt.by_key", skip_all, fields(otel.kind = "client"))]
pub(crate) async fn by_key(store: &Store, key: &str) -> Result<Option<Model>, StoreError> {
    Ok(Entity::find_by_id(key).one(store.database.reader()).await?)
}

/// Forgets a lane, and records that somebody wanted it; false if there was nothing to forget.
pub(crate) async fn forget(store: &Store, key: &str, event: AuditEvent) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    if Entity::delete_by_id(key).exec(&transaction).await?.rows_affected == 0 {
        return Ok(false);
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Forgets a batch of lanes that expired before `now`, and one of names that were guessed before `names_before`; says
/// whether there may be more.
pub(crate) async fn purge(store: &Store, now: i64, names_before: i64, batch: u64) -> Result<bool, StoreError> {
    let more_lanes = Batch::<Entity>::choose(store, Column::Key, Column::ExpiresAt.lt(now), batch).await?.forget(store).await?;
    let more_names = forget_earliest::<guessed_name::Entity>(store, guessed_name::Column::At, names_before, batch).await?;
    Ok(more_lanes || more_names)
}
