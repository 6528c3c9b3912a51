//! `role`: a named set of scopes.

use sea_orm::{ActiveValue::Set, QuerySelect, entity::prelude::*, sea_query::OnConflict};
use shared::scope::Scope;

use super::{Store, StoreError};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "role")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    pub(crate) created_at: i64,
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
    let scopes: Vec<String> = role_scope::Entity::find()
        .select_only()
        .column(role_scope::Column::Scope)
        .filter(role_scope::Column::Role.is_in(&roles))
        .into_tuple()
        .all(store.database.reader())
        .await?;
    let scope = Scope::from_tokens(scopes).map_err(|error| DbErr::Custom(format!("role_scope: {error}")))?;
    Ok(Rights { roles, scope })
}

/// Creates a role with these scopes, unless there is one of that name; says whether it did.
pub(crate) async fn create_if_absent(store: &Store, name: &str, scope: &Scope, now: i64) -> Result<bool, StoreError> {
    let transaction = store.database.begin().await?;
    let row = ActiveModel { name: Set(name.to_owned()), created_at: Set(now) };
    let inserted = Entity::insert(row)
        .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
        .exec_without_returning(&transaction)
        .await?;
    if inserted == 1 && !scope.is_empty() {
        let rows = scope.iter().map(|token| role_scope::ActiveModel { role: Set(name.to_owned()), scope: Set(token.to_owned()) });
        role_scope::Entity::insert_many(rows).exec_without_returning(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(inserted == 1)
}
