//! `resource`: a protected API, known by its identifier URI, and the scopes that belong to it.

use std::collections::BTreeMap;

use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};
use shared::scope::Scope;

use super::{Store, StoreError};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resource")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) created_at: i64,
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

/// Creates a resource with these scopes, unless there is one of that identifier; says whether it did.
pub(crate) async fn create_if_absent(store: &Store, id: &str, scope: &Scope, now: i64) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let row = ActiveModel { id: Set(id.to_owned()), created_at: Set(now) };
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
    transaction.commit().await?;
    Ok(inserted == 1)
}
