//! `client`: an application, its secrets and its own roles.

use sea_orm::{
    ActiveValue::Set, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect, SqlErr, entity::prelude::*, sea_query::OnConflict,
};
use shared::scope::Scope;

use super::{AuditEvent, Store, StoreError, audit_event, session, status_list};

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

/// Whether there is such a client and it may be used.
pub(crate) async fn is_active(store: &Store, id: &str) -> Result<bool, StoreError> {
    let active = Entity::find_by_id(id).filter(Column::State.eq(State::Active)).one(store.database.reader()).await?;
    Ok(active.is_some())
}

/// Every client, by identifier.
pub(crate) async fn all(store: &Store) -> Result<Vec<Model>, StoreError> {
    Ok(Entity::find().order_by_asc(Column::Id).all(store.database.reader()).await?)
}

/// What came of creating or changing a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Done,
    /// There is one of that identifier already, or none.
    NoMatch,
    /// It names a role, scope or resource that does not exist.
    Unknown,
    /// It has as many secrets as it may.
    Full,
}

/// How many secrets may be alive at a time: the old one and its successor.
pub(crate) const MAX_SECRETS: u64 = 2;

/// Creates a client with its own roles and its first secret, and records it.
pub(crate) async fn create(
    store: &Store,
    client: Model,
    roles: &[String],
    secret: Option<Secret>,
    event: AuditEvent,
) -> Result<Changed, StoreError> {
    let transaction = store.database.begin().await?;
    let id = client.id.clone();
    if let Err(error) = Entity::insert(client.into_active_model()).exec_without_returning(&transaction).await {
        return match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(Changed::NoMatch),
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Ok(Changed::Unknown),
            _ => Err(error.into()),
        };
    }
    for role in roles {
        let row = client_role::ActiveModel { client_id: Set(id.clone()), role: Set(role.clone()) };
        if let Err(error) = client_role::Entity::insert(row).exec_without_returning(&transaction).await {
            return match error.sql_err() {
                Some(SqlErr::ForeignKeyConstraintViolation(_)) => Ok(Changed::Unknown),
                _ => Err(error.into()),
            };
        }
    }
    if let Some(secret) = secret {
        client_secret::Entity::insert(secret.into_active_model()).exec_without_returning(&transaction).await?;
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(Changed::Done)
}

/// Adds a secret beside the one in use, and gives the others an end, so that a client can change over without a pause.
pub(crate) async fn add_secret(
    store: &Store,
    secret: Secret,
    others_end_at: i64,
    event: AuditEvent,
) -> Result<Changed, StoreError> {
    let transaction = store.database.begin().await?;
    let (client_id, now) = (secret.client_id.clone(), secret.created_at);
    // Takes the client's row, so that two rotations at once come one after the other.
    let held = Entity::update_many()
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(&client_id))
        .filter(Column::Kind.eq(Kind::Confidential))
        .exec(&transaction)
        .await?;
    if held.rows_affected == 0 {
        return Ok(Changed::NoMatch);
    }
    let of_client = client_secret::Column::ClientId.eq(&client_id);
    // Without an overlap every other secret ends here and now: one of them may be in the wrong hands.
    let ended = client_secret::Column::ExpiresAt.lte(now);
    let outdated = if others_end_at <= now { of_client.clone() } else { of_client.clone().and(ended) };
    client_secret::Entity::delete_many().filter(outdated).exec(&transaction).await?;
    if client_secret::Entity::find().filter(of_client.clone()).count(&transaction).await? >= MAX_SECRETS {
        return Ok(Changed::Full);
    }
    client_secret::Entity::update_many()
        .col_expr(client_secret::Column::ExpiresAt, Expr::value(others_end_at))
        .filter(of_client)
        .filter(client_secret::Column::ExpiresAt.is_null())
        .exec(&transaction)
        .await?;
    client_secret::Entity::insert(secret.into_active_model()).exec_without_returning(&transaction).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(Changed::Done)
}

/// Enables or disables a client. Disabling ends its sessions and revokes everything it was issued.
pub(crate) async fn set_state(store: &Store, id: &str, state: State, now: i64, event: AuditEvent) -> Result<Changed, StoreError> {
    let transaction = store.database.begin().await?;
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(&transaction)
        .await?;
    if changed.rows_affected == 0 {
        return Ok(Changed::NoMatch);
    }
    match state {
        State::Active => {}
        State::Disabled => {
            session::end_within(&transaction, session::Which::OfClient(id), session::Ended::ClientDisabled, now).await?;
            status_list::revoke_client(&transaction, id, now).await?;
        }
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(Changed::Done)
}

/// Creates a client, unless there is one of that identifier.
pub(crate) async fn create_if_absent(store: &Store, client: Model) -> Result<(), StoreError> {
    Entity::insert(client.into_active_model())
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(store.database.writer())
        .await?;
    Ok(())
}
