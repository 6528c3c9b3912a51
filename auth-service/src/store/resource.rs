//! `resource`: a protected API, known by its identifier URI, and the scopes that belong to it.

use std::collections::BTreeMap;

use sea_orm::{ActiveValue::Set, ConnectionTrait, QueryOrder, QuerySelect, entity::prelude::*, sea_query::OnConflict};
use shared::scope::Scope;

use super::{Store, StoreError};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resource")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) created_at: i64,
    /// Grows with every change.
    pub(crate) version: i64,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod resource_scope {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "resource_scope")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) scope: String,
        pub(crate) resource_id: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Every protected resource and its scopes; every scope belongs to exactly one resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    scopes: BTreeMap<String, Scope>,
}

impl Catalog {
    /// The scopes of a resource, or none if there is no such resource.
    pub(crate) fn scope_of(&self, resource: &str) -> Option<&Scope> {
        self.scopes.get(resource)
    }

    /// The resource that a scope token belongs to.
    pub(crate) fn owner_of(&self, token: &str) -> Option<&str> {
        self.scopes.iter().find(|(_, scope)| scope.contains(token)).map(|(resource, _)| resource.as_str())
    }

    /// Every scope of every resource.
    pub(crate) fn every_scope(&self) -> Scope {
        self.scopes.values().fold(Scope::default(), |all, scope| all.union(scope))
    }

    /// The identifiers of all resources.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &str> {
        self.scopes.keys().map(String::as_str)
    }

    #[cfg(test)]
    pub(crate) fn of(resources: &[(&str, &str)]) -> Self {
        Self { scopes: resources.iter().map(|(id, scope)| ((*id).to_owned(), scope.parse().unwrap())).collect() }
    }
}

/// Every protected resource with its scopes.
pub(crate) async fn catalog(store: &Store) -> Result<Catalog, StoreError> {
    let rows = Entity::find().all(store.database.reader()).await?;
    let scopes = resource_scope::Entity::find().all(store.database.reader()).await?;
    let mut tokens: BTreeMap<String, Vec<String>> = rows.into_iter().map(|row| (row.id, Vec::new())).collect();
    for row in scopes {
        tokens.entry(row.resource_id).or_default().push(row.scope);
    }
    let scopes = tokens
        .into_iter()
        .map(|(id, tokens)| {
            Ok((id, Scope::from_tokens(tokens).map_err(|error| DbErr::Custom(format!("resource_scope: {error}")))?))
        })
        .collect::<Result<_, DbErr>>()?;
    Ok(Catalog { scopes })
}

/// The resource of that identifier, with its scopes.
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<Option<(Model, Scope)>, StoreError> {
    let reader = store.database.reader();
    let Some(resource) = Entity::find_by_id(id).one(reader).await? else { return Ok(None) };
    let scope = scope_of(reader, id).await?;
    Ok(Some((resource, scope)))
}

/// The resources by identifier, no more than `limit`, continuing behind `after`; each with its scopes.
pub(crate) async fn page(store: &Store, after: Option<&str>, limit: u64) -> Result<Vec<(Model, Scope)>, StoreError> {
    let reader = store.database.reader();
    let mut query = Entity::find();
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    let mut resources = Vec::new();
    for resource in query.order_by_asc(Column::Id).limit(limit).all(reader).await? {
        let scope = scope_of(reader, &resource.id).await?;
        resources.push((resource, scope));
    }
    Ok(resources)
}

/// The scopes of a resource, within the transaction of a change.
pub(super) async fn scope_of(connection: &impl ConnectionTrait, id: &str) -> Result<Scope, StoreError> {
    let scopes: Vec<String> = resource_scope::Entity::find()
        .select_only()
        .column(resource_scope::Column::Scope)
        .filter(resource_scope::Column::ResourceId.eq(id))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(Scope::from_tokens(scopes).map_err(|error| DbErr::Custom(format!("resource_scope: {error}")))?)
}

/// Creates a resource with these scopes, unless there is one of that identifier; says whether it did.
pub(crate) async fn create_if_absent(store: &Store, id: &str, scope: &Scope, now: i64) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let row = ActiveModel { id: Set(id.to_owned()), created_at: Set(now), version: Set(1) };
    let inserted = Entity::insert(row)
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(&transaction)
        .await?;
    if inserted == 1 && !scope.is_empty() {
        let rows = scope
            .iter()
            .map(|token| resource_scope::ActiveModel { scope: Set(token.to_owned()), resource_id: Set(id.to_owned()) });
        resource_scope::Entity::insert_many(rows).exec_without_returning(&transaction).await?;
    }
    store.known.mark(&transaction).await?;
    transaction.commit().await?;
    store.known.changed();
    Ok(inserted == 1)
}
