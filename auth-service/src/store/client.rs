//! `client`: an application, its secrets and its own roles.

use sea_orm::{IntoActiveModel, QueryOrder, QuerySelect, entity::prelude::*, sea_query::OnConflict};
use shared::scope::Scope;

use super::{Store, StoreError};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "client")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    /// Allowed grant types, separated by spaces.
    pub(crate) grants: String,
    /// Allowed scope tokens, separated by spaces.
    pub(crate) scopes: String,
    pub(crate) default_resource: Option<String>,
    /// The resource that this client is: it may introspect tokens for it.
    pub(crate) serves: Option<String>,
    /// Browser origins, separated by spaces.
    pub(crate) cors_origins: String,
    /// Seconds, where the client departs from the service's setting.
    pub(crate) access_token_lifetime: Option<i64>,
    pub(crate) refresh_idle_lifetime: Option<i64>,
    pub(crate) refresh_absolute_lifetime: Option<i64>,
    /// Grows whenever the client is enabled or disabled: what it is issued afterwards is not revoked with what was before.
    pub(crate) generation: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// Grows with every change that others can see.
    pub(crate) version: i64,
}

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
pub enum Kind {
    /// It cannot: it runs where people can look into it.
    #[sea_orm(string_value = "public")]
    Public,
    /// It can, and proves itself with it.
    #[sea_orm(string_value = "confidential")]
    Confidential,
}

/// Whether a client may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)")]
pub(crate) enum State {
    #[sea_orm(string_value = "active")]
    Active,
    #[sea_orm(string_value = "disabled")]
    Disabled,
}

impl ActiveModelBehavior for ActiveModel {}

pub(super) mod client_secret {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_secret")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) client_id: String,
        /// SHA-256 of the secret, base64url.
        pub(crate) digest: String,
        pub(crate) created_at: i64,
        pub(crate) expires_at: Option<i64>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod client_role {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_role")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) client_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) role: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) use client_secret::Model as Secret;

/// A client with what it is allowed, read at one go.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) row: Model,
    pub(crate) secrets: Vec<Secret>,
    /// The roles of the client itself, sorted.
    pub(crate) roles: Vec<String>,
    /// What it may ask for.
    pub(crate) scope: Scope,
}

/// The client of that identifier, with its secrets and roles.
pub(crate) async fn by_id(store: &Store, id: &str) -> Result<Option<Client>, StoreError> {
    let reader = store.database.reader();
    let Some(row) = Entity::find_by_id(id).one(reader).await? else { return Ok(None) };
    let (secrets, roles) = match row.kind {
        Kind::Public => (Vec::new(), Vec::new()),
        Kind::Confidential => (
            client_secret::Entity::find().filter(client_secret::Column::ClientId.eq(id)).all(reader).await?,
            client_role::Entity::find()
                .select_only()
                .column(client_role::Column::Role)
                .filter(client_role::Column::ClientId.eq(id))
                .order_by_asc(client_role::Column::Role)
                .into_tuple()
                .all(reader)
                .await?,
        ),
    };
    let scope = row.scopes.parse().map_err(|error| DbErr::Custom(format!("client `{id}`: {error}")))?;
    Ok(Some(Client { row, secrets, roles, scope }))
}

/// Every browser origin that any active client registered.
pub(crate) async fn cors_origins(store: &Store) -> Result<Vec<String>, StoreError> {
    let lists: Vec<String> = Entity::find()
        .select_only()
        .column(Column::CorsOrigins)
        .filter(Column::State.eq(State::Active))
        .filter(Column::CorsOrigins.ne(""))
        .into_tuple()
        .all(store.database.reader())
        .await?;
    Ok(lists.iter().flat_map(|list| list.split(' ')).map(ToOwned::to_owned).collect())
}

/// The clients by identifier, no more than `limit`, continuing behind the client `after`, with what each is allowed.
pub(crate) async fn page(store: &Store, after: Option<&str>, limit: u64) -> Result<Vec<Client>, StoreError> {
    let mut query = Entity::find().select_only().column(Column::Id);
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    let ids: Vec<String> = query.order_by_asc(Column::Id).limit(limit).into_tuple().all(store.database.reader()).await?;
    let mut clients = Vec::new();
    for id in ids {
        clients.extend(by_id(store, &id).await?);
    }
    Ok(clients)
}

/// Whether there is such a client and it may be used, as it is in the database now.
pub(crate) async fn is_active(store: &Store, id: &str) -> Result<bool, StoreError> {
    let active = Entity::find_by_id(id).filter(Column::State.eq(State::Active)).one(store.database.reader()).await?;
    Ok(active.is_some())
}

/// Every client, by identifier.
pub(crate) async fn all(store: &Store) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().order_by_asc(Column::Id).all(store.database.reader()).await?)
}

/// How many secrets may be alive at a time: the old one and its successor.
pub(crate) const MAX_SECRETS: u64 = 2;

/// Creates a client, unless there is one of that identifier. Nobody remembers that there was none.
pub(crate) async fn create_if_absent(store: &Store, client: Model) -> Result<(), StoreError> {
    Entity::insert(client.into_active_model())
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(store.database.writer())
        .await?;
    Ok(())
}
