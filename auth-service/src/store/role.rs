//! `role`: a named set of scopes.

use sea_orm::{ActiveValue::Set, ConnectionTrait, QueryOrder, QuerySelect, entity::prelude::*, sea_query::OnConflict};
use shared::scope::Scope;

use super::{Store, StoreError};

/// The role of those who run the service. It holds every scope.
pub(crate) const ADMIN: &str = "admin";

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "role")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    pub(crate) created_at: i64,
    /// Grows with every change.
    pub(crate) version: i64,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod role_scope {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "role_scope")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) role: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) scope: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// What somebody's roles amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    /// The roles' names, sorted.
    pub(crate) roles: Vec<String>,
    /// Every scope that any of the roles holds.
    pub(crate) scope: Scope,
}

/// The scopes of all these roles together.
pub(crate) async fn rights(store: &Store, roles: Vec<String>) -> Result<Rights, StoreError> {
    if roles.is_empty() {
        return Ok(Rights::default());
    }
    let scope = scope_of(store.database.reader(), &roles).await?;
    Ok(Rights { roles, scope })
}

/// The scopes of all these roles together, within the transaction of a change.
pub(super) async fn scope_of(connection: &impl ConnectionTrait, roles: &[String]) -> Result<Scope, StoreError> {
    let scopes: Vec<String> = role_scope::Entity::find()
        .select_only()
        .column(role_scope::Column::Scope)
        .filter(role_scope::Column::Role.is_in(roles))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(Scope::from_tokens(scopes).map_err(|error| DbErr::Custom(format!("role_scope: {error}")))?)
}

/// The role of that name, with its scopes.
pub(crate) async fn by_name(store: &Store, name: &str) -> Result<Option<(Model, Scope)>, StoreError> {
    let reader = store.database.reader();
    let Some(role) = Entity::find_by_id(name).one(reader).await? else { return Ok(None) };
    let scope = scope_of(reader, std::slice::from_ref(&role.name)).await?;
    Ok(Some((role, scope)))
}

/// The roles by name, no more than `limit`, continuing behind the role `after`; each with its scopes.
pub(crate) async fn page(store: &Store, after: Option<&str>, limit: u64) -> Result<Vec<(Model, Scope)>, StoreError> {
    let reader = store.database.reader();
    let mut query = Entity::find();
    if let Some(after) = after {
        query = query.filter(Column::Name.gt(after));
    }
    let mut roles = Vec::new();
    for role in query.order_by_asc(Column::Name).limit(limit).all(reader).await? {
        let scope = scope_of(reader, std::slice::from_ref(&role.name)).await?;
        roles.push((role, scope));
    }
    Ok(roles)
}

/// Creates a role with these scopes, unless there is one of that name; says whether it did.
pub(crate) async fn create_if_absent(store: &Store, name: &str, scope: &Scope, now: i64) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let row = ActiveModel { name: Set(name.to_owned()), created_at: Set(now), version: Set(1) };
    let inserted = Entity::insert(row)
        .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
        .exec_without_returning(&transaction)
        .await?;
    if inserted == 1 && !scope.is_empty() {
        let rows = scope.iter().map(|token| role_scope::ActiveModel { role: Set(name.to_owned()), scope: Set(token.to_owned()) });
        role_scope::Entity::insert_many(rows).exec_without_returning(&transaction).await?;
    }
    store.known.mark(&transaction).await?;
    transaction.commit().await?;
    store.known.changed();
    Ok(inserted == 1)
}

/// Whether there is a role of each of these names.
pub(crate) async fn all_exist(store: &Store, names: &[String]) -> Result<bool, StoreError> {
    let found: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Name)
        .filter(Column::Name.is_in(names))
        .into_tuple()
        .all(store.database.reader())
        .await?;
    Ok(names.iter().all(|name| found.contains(name)))
}
