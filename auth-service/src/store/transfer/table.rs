//! The tables as a transfer sees them: names, columns and their kinds, taken from the tables' own files.

use base64::{Engine, prelude::BASE64_STANDARD};
use sea_orm::{
    ColumnTrait, ColumnType, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn, QueryResult,
    sea_query::{Expr, SimpleExpr},
};
use serde_json::{Value as Json, json};

use super::super::{
    StoreError, api_key, audit_chain, audit_event, client, invitation, login_attempt, refresh_token, resource, role, session,
    setting, signing_key, status_list, user,
};

/// A table.
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<(String, Kind)>,
    /// The columns of its primary key, in their order.
    pub(super) key: Vec<String>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    Flag,
    /// In an export: base64.
    Bytes,
}

/// Every table, each behind those it refers to.
pub(super) fn all() -> Vec<Table> {
    vec![
        table::<setting::Entity>(),
        table::<user::Entity>(),
        table::<resource::Entity>(),
        table::<resource::resource_scope::Entity>(),
        table::<role::Entity>(),
        table::<role::role_scope::Entity>(),
        table::<user::user_role::Entity>(),
        table::<client::Entity>(),
        table::<client::client_secret::Entity>(),
        table::<client::client_role::Entity>(),
        table::<signing_key::Entity>(),
        table::<status_list::Entity>(),
        table::<status_list::status_block::Entity>(),
        table::<status_list::revoked_status::Entity>(),
        table::<session::Entity>(),
        table::<refresh_token::Entity>(),
        table::<api_key::Entity>(),
        table::<api_key::api_key_token::Entity>(),
        table::<login_attempt::Entity>(),
        table::<login_attempt::guessed_name::Entity>(),
        table::<invitation::Entity>(),
        table::<audit_event::Entity>(),
        table::<audit_chain::Entity>(),
        table::<audit_chain::audit_checkpoint::Entity>(),
    ]
}

fn table<E: EntityTrait>() -> Table {
    let column = |column: E::Column| (column.as_str().to_owned(), Kind::of(column.def().get_column_type()));
    Table {
        name: E::default().table_name().to_owned(),
        columns: E::Column::iter().map(column).collect(),
        key: E::PrimaryKey::iter().map(|key| key.into_column().as_str().to_owned()).collect(),
    }
}

impl Kind {
    fn of(column: &ColumnType) -> Self {
        match column {
            ColumnType::Integer => Self::Integer,
            ColumnType::BigInteger => Self::Long,
            ColumnType::Boolean => Self::Flag,
            ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => Self::Bytes,
            _ => Self::Text,
        }
    }
}

impl Table {
    pub(super) fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A row as an export has it.
    pub(super) fn read(&self, row: &QueryResult) -> Result<Vec<Json>, StoreError> {
        self.columns.iter().map(|(name, kind)| read(row, name, *kind)).collect()
    }

    /// The key of a row, to go on behind it.
    pub(super) fn key_of(&self, row: &QueryResult) -> Result<Vec<SimpleExpr>, StoreError> {
        let kind_of = |name: &str| self.columns.iter().find(|(column, _)| column == name).map_or(Kind::Text, |(_, kind)| *kind);
        let value = |name: &String| {
            let kind = kind_of(name);
            Ok(write(&read(row, name, kind)?, kind).unwrap_or_else(|| Expr::value(Option::<String>::None)))
        };
        self.key.iter().map(value).collect()
    }

    /// A row of an export as it is put back, or the column whose value does not fit.
    pub(super) fn write(&self, row: &[Json]) -> Result<Vec<SimpleExpr>, String> {
        let values = self.columns.iter().enumerate();
        values.map(|(at, (name, kind))| row.get(at).and_then(|value| write(value, *kind)).ok_or_else(|| name.clone())).collect()
    }
}

fn read(row: &QueryResult, name: &str, kind: Kind) -> Result<Json, StoreError> {
    Ok(match kind {
        Kind::Text => json!(row.try_get::<Option<String>>("", name)?),
        Kind::Integer => json!(row.try_get::<Option<i32>>("", name)?),
        Kind::Long => json!(row.try_get::<Option<i64>>("", name)?),
        Kind::Flag => json!(row.try_get::<Option<bool>>("", name)?),
        Kind::Bytes => json!(row.try_get::<Option<Vec<u8>>>("", name)?.map(|bytes| BASE64_STANDARD.encode(bytes))),
    })
}

/// A value as the database takes it; none if it is of another kind. The database itself knows where nothing may stand.
fn write(value: &Json, kind: Kind) -> Option<SimpleExpr> {
    if value.is_null() {
        return Some(match kind {
            Kind::Text => Expr::value(Option::<String>::None),
            Kind::Integer => Expr::value(Option::<i32>::None),
            Kind::Long => Expr::value(Option::<i64>::None),
            Kind::Flag => Expr::value(Option::<bool>::None),
            Kind::Bytes => Expr::value(Option::<Vec<u8>>::None),
        });
    }
    Some(match kind {
        Kind::Text => Expr::value(value.as_str()?),
        Kind::Integer => Expr::value(i32::try_from(value.as_i64()?).ok()?),
        Kind::Long => Expr::value(value.as_i64()?),
        Kind::Flag => Expr::value(value.as_bool()?),
        Kind::Bytes => Expr::value(BASE64_STANDARD.decode(value.as_str()?).ok()?),
    })
}
