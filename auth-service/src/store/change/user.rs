//! Changes of a user by somebody else.

use sea_orm::{ConnectionTrait, DatabaseTransaction, ExprTrait, QuerySelect, entity::prelude::*};
use shared::scope::Scope;

use super::{Deed, Facts, Outcome, Own};
use crate::store::{
    Store, StoreError, Stored, User, api_key,
    role::{self, ADMIN},
    session::{self, Ended, Which},
    user::{self, Column, Entity, State, user_role},
};

const VERSION: (Column, Column) = (Column::Id, Column::Version);

/// What an administrator can change of a user besides roles and password.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    pub(crate) display_name: Option<String>,
    pub(crate) state: State,
}

/// When a change of rights reaches what was issued before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// At the next login or refresh.
    Next,
    /// At once: sessions end.
    Now,
}

/// Creates a user with these roles.
pub(crate) async fn create(store: &Store, deed: Deed, user: User, roles: &[String]) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    let given = role::scope_of(&transaction, roles).await?;
    if let Err(outcome) = deed.judge(&transaction, Facts { given, ..Facts::default() }).await? {
        return Ok(outcome);
    }
    match user::insert(&transaction, user, roles).await? {
        Stored::Done => deed.done(store, transaction).await,
        Stored::UsernameTaken => Ok(Outcome::Taken),
        Stored::UnknownRole => Ok(Outcome::Unknown("roles")),
    }
}

/// Gives a user another name to show, and another state; disabling ends what was issued before.
pub(crate) async fn replace(store: &Store, deed: Deed, id: &str, details: Details) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    let Some(before) = Entity::find_by_id(id).one(&transaction).await? else { return Ok(Outcome::NoMatch) };
    let own = if before.state == details.state { Own::Harmless } else { Own::Rights };
    let strips = details.state == State::Disabled && is_last_admin(&transaction, id).await?;
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, id, own, strips).await?).await? {
        return Ok(outcome);
    }
    let mut update = Entity::update_many()
        .col_expr(Column::DisplayName, Expr::value(details.display_name))
        .col_expr(Column::State, Expr::value(details.state))
        .col_expr(Column::UpdatedAt, Expr::value(deed.now))
        .filter(Column::Id.eq(id));
    if before.state != details.state {
        update = update.col_expr(Column::Generation, Expr::col(Column::Generation).add(1));
    }
    update.exec(&transaction).await?;
    if details.state == State::Disabled {
        end_everything(&transaction, id, Ended::UserDisabled, deed.now).await?;
    }
    deed.done(store, transaction).await
}

/// Enables or disables a user; disabling ends what was issued before.
pub(crate) async fn set_state(store: &Store, deed: Deed, id: &str, state: State) -> Result<Outcome, StoreError> {
    let Some(before) = user::by_id(store, id).await? else { return Ok(Outcome::NoMatch) };
    replace(store, deed, id, Details { display_name: before.display_name, state }).await
}

/// Gives a user exactly these roles.
pub(crate) async fn set_roles(
    store: &Store,
    deed: Deed,
    id: &str,
    roles: &[String],
    reach: Reach,
) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    let strips = !roles.iter().any(|role| role == ADMIN) && is_last_admin(&transaction, id).await?;
    let before = user::roles_within(&transaction, id).await?;
    let added: Vec<String> = roles.iter().filter(|role| !before.contains(role)).cloned().collect();
    let given = role::scope_of(&transaction, &added).await?;
    let facts = Facts { given, ..about(&transaction, &deed, id, Own::Rights, strips).await? };
    if let Err(outcome) = deed.judge(&transaction, facts).await? {
        return Ok(outcome);
    }
    user_role::Entity::delete_many().filter(user_role::Column::UserId.eq(id)).exec(&transaction).await?;
    match user::give(&transaction, id, roles).await? {
        Stored::Done => {}
        Stored::UsernameTaken | Stored::UnknownRole => return Ok(Outcome::Unknown("roles")),
    }
    let mut update = Entity::update_many().col_expr(Column::UpdatedAt, Expr::value(deed.now)).filter(Column::Id.eq(id));
    if reach == Reach::Now {
        update = update.col_expr(Column::Generation, Expr::col(Column::Generation).add(1));
    }
    update.exec(&transaction).await?;
    // A key that is still good gets another token, with the new rights, at its next use.
    api_key::end_tokens_of_user(&transaction, id, deed.now).await?;
    if reach == Reach::Now {
        end_everything(&transaction, id, Ended::RightsChanged, deed.now).await?;
    }
    deed.done(store, transaction).await
}

/// Gives a user another password, and ends what was issued under the old one.
pub(crate) async fn set_password(
    store: &Store,
    deed: Deed,
    id: &str,
    password_hash: String,
    must_change: bool,
) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, id, Own::Rights, false).await?).await? {
        return Ok(outcome);
    }
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(password_hash))
        .col_expr(Column::MustChangePassword, Expr::value(must_change))
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(deed.now))
        .filter(Column::Id.eq(id))
        .exec(&transaction)
        .await?;
    end_everything(&transaction, id, Ended::PasswordChanged, deed.now).await?;
    deed.done(store, transaction).await
}

/// Ends one session of a user, or all. There is no such session if none ended.
pub(crate) async fn end_sessions(store: &Store, deed: Deed, id: &str, one: Option<&str>) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if Entity::find_by_id(id).one(&transaction).await?.is_none() {
        return Ok(Outcome::NoMatch);
    }
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, id, Own::Harmless, false).await?).await? {
        return Ok(outcome);
    }
    let which = match one {
        None => Which::OfUser(id),
        Some(session) => {
            let found = session::Entity::find_by_id(session).filter(session::Column::UserId.eq(id)).one(&transaction).await?;
            if found.is_none() {
                return Ok(Outcome::NoMatch);
            }
            Which::One(session)
        }
    };
    let ended = session::end_within(&transaction, which, Ended::LoggedOut, deed.now).await?;
    if one.is_some() && ended == 0 {
        return Ok(Outcome::NoMatch);
    }
    deed.done(store, transaction).await
}

/// Deletes a user. What they were issued is revoked first: its places in the status lists outlive the user.
pub(crate) async fn delete(store: &Store, deed: Deed, id: &str) -> Result<Outcome, StoreError> {
    let transaction = deed.begin(store).await?;
    if let Err(outcome) = deed.take::<Entity>(&transaction, VERSION, id).await? {
        return Ok(outcome);
    }
    let strips = is_last_admin(&transaction, id).await?;
    if let Err(outcome) = deed.judge(&transaction, about(&transaction, &deed, id, Own::Rights, strips).await?).await? {
        return Ok(outcome);
    }
    end_everything(&transaction, id, Ended::UserDisabled, deed.now).await?;
    Entity::delete_by_id(id).exec(&transaction).await?;
    deed.done(store, transaction).await
}

/// Ends everything that a user was issued, within the transaction of the change that ends it. THE place for a further
/// kind of credential.
async fn end_everything(transaction: &DatabaseTransaction, id: &str, why: Ended, now: i64) -> Result<(), StoreError> {
    session::end_within(transaction, Which::OfUser(id), why, now).await?;
    Ok(())
}

/// The facts of a change of this user. A disabled administrator still ranks as one.
async fn about(
    transaction: &DatabaseTransaction,
    deed: &Deed,
    id: &str,
    own: Own,
    strips_last_admin: bool,
) -> Result<Facts, StoreError> {
    let target = rights_of(transaction, id).await?;
    Ok(Facts { own: deed.own(id, own), target, strips_last_admin, ..Facts::default() })
}

async fn rights_of(connection: &impl ConnectionTrait, id: &str) -> Result<Scope, StoreError> {
    role::scope_of(connection, &user::roles_within(connection, id).await?).await
}

/// What a user holds who may act: one who is disabled holds nothing.
pub(super) async fn rights_of_active(connection: &impl ConnectionTrait, id: &str) -> Result<Scope, StoreError> {
    let active = Entity::find_by_id(id).filter(Column::State.eq(State::Active)).one(connection).await?;
    match active {
        Some(user) => rights_of(connection, &user.id).await,
        None => Ok(Scope::default()),
    }
}

/// Whether nobody else is active and holds the role `admin`, while this user does.
async fn is_last_admin(connection: &impl ConnectionTrait, id: &str) -> Result<bool, StoreError> {
    let holders: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.eq(State::Active))
        .filter(Column::Id.in_subquery(user::holders(ADMIN)))
        .limit(2)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(holders == [id])
}
