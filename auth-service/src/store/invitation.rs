//! `invitation`: who holds its code may register, once.

use sea_orm::{IntoActiveModel, entity::prelude::*};

use super::{AuditEvent, Store, StoreError, Stored, User, audit_event, batch::Batch, role, user};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitation")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    /// SHA-256 of the code.
    pub(crate) digest: String,
    /// The roles that come with it, separated by spaces.
    pub(crate) roles: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    /// The user it has become.
    pub(crate) used_by: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What came of a registration.
#[derive(Debug)]
pub(crate) enum Registered {
    Done,
    /// Somebody has that username.
    UsernameTaken,
    /// There is no such role any more.
    UnknownRole,
    /// The invitation was used, has expired, or never was.
    NotInvited,
}

/// Creates an invitation, and records it; false if one of its roles does not exist.
pub(crate) async fn create(store: &Store, invitation: Model, event: AuditEvent) -> Result<bool, StoreError> {
    let roles: Vec<String> = names(&invitation.roles);
    if !role::all_exist(store, &roles).await? {
        return Ok(false);
    }
    let transaction = store.database.begin().await?;
    Entity::insert(invitation.into_active_model()).exec_without_returning(&transaction).await?;
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(true)
}

/// The roles of an invitation that is still good.
pub(crate) async fn roles_of(store: &Store, digest: &str, now: i64) -> Result<Option<Vec<String>>, StoreError> {
    let found = Entity::find()
        .filter(Column::Digest.eq(digest))
        .filter(Column::UsedBy.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .one(store.database.reader())
        .await?;
    Ok(found.map(|invitation| names(&invitation.roles)))
}

/// Creates a user who registers, and records it; with an invitation, uses that up in the same step.
pub(crate) async fn register(
    store: &Store,
    new: User,
    roles: &[String],
    invitation: Option<&str>,
    event: AuditEvent,
) -> Result<Registered, StoreError> {
    let transaction = store.database.begin().await?;
    if let Some(digest) = invitation {
        let used = Entity::update_many()
            .col_expr(Column::UsedBy, Expr::value(new.id.as_str()))
            .filter(Column::Digest.eq(digest))
            .filter(Column::UsedBy.is_null())
            .filter(Column::ExpiresAt.gt(new.created_at))
            .exec(&transaction)
            .await?;
        if used.rows_affected == 0 {
            return Ok(Registered::NotInvited);
        }
    }
    match user::insert(&transaction, new, roles).await? {
        Stored::Done => {}
        Stored::UsernameTaken => return Ok(Registered::UsernameTaken),
        Stored::UnknownRole => return Ok(Registered::UnknownRole),
    }
    audit_event::insert(&transaction, event).await?;
    transaction.commit().await?;
    Ok(Registered::Done)
}

/// Forgets a batch of the invitations that expired before `before`; says whether there may be more.
pub(crate) async fn purge(store: &Store, before: i64, batch: u64) -> Result<bool, StoreError> {
    Batch::<Entity>::choose(store, Column::Id, Column::ExpiresAt.lt(before), batch).await?.forget(store).await
}

fn names(roles: &str) -> Vec<String> {
    roles.split(' ').filter(|role| !role.is_empty()).map(ToOwned::to_owned).collect()
}
