//! Statements: one text and one list of values for both databases.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::db::Store;
use super::row::{FromRow, Row};
use super::tx::Tx;
use super::{Result, StoreError};

/// Where a statement runs: on its own, or within a transaction.
#[derive(Debug)]
pub struct Conn<'c>(Target<'c>);

#[derive(Debug)]
pub(super) enum Target<'c> {
    SqlitePool(&'c SqlitePool),
    Sqlite(&'c mut SqliteConnection),
    PostgresPool(&'c PgPool),
    Postgres(&'c mut PgConnection),
}

impl<'c> From<Target<'c>> for Conn<'c> {
    fn from(target: Target<'c>) -> Self {
        Self(target)
    }
}

impl<'c> From<&'c Store> for Conn<'c> {
    fn from(store: &'c Store) -> Self {
        Self(store.target())
    }
}

impl<'c> From<&'c mut Tx> for Conn<'c> {
    fn from(tx: &'c mut Tx) -> Self {
        Self(tx.target())
    }
}

/// A value of a statement. Every variant can be NULL and still knows its type, which PostgreSQL needs.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(Option<bool>),
    Uuid(Option<Uuid>),
    Time(Option<DateTime<Utc>>),
    Bytes(Option<Vec<u8>>),
    Json(Option<serde_json::Value>),
}

impl Value {
    /// A value that is stored as JSON.
    pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Self::json_or_null(Some(value))
    }

    /// A value that is stored as JSON, or NULL.
    pub(super) fn json_or_null<T: Serialize + ?Sized>(value: Option<&T>) -> Result<Self> {
        let json = value.map(serde_json::to_value).transpose();
        let mut json = json.map_err(|error| StoreError::Corrupt {
            column: "(json)",
            reason: error.to_string(),
        })?;
        if let Some(json) = &mut json {
            clean_json(json);
        }
        Ok(Self::Json(json))
    }
}

macro_rules! values {
    ($($variant:ident($type:ty, $from:expr)),+ $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                let convert = $from;
                Self::$variant(Some(convert(value)))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map($from))
            }
        }
    )+};
}

values! {
    Text(&str, |text: &str| clean(text.to_owned())),
    Text(String, clean),
    Int(i64, |number| number),
    Bool(bool, |truth| truth),
    Uuid(Uuid, |uuid| uuid),
    Time(DateTime<Utc>, |at: DateTime<Utc>| at.trunc_subsecs(6)),
    Bytes(Vec<u8>, |bytes| bytes),
    Bytes(&[u8], |bytes: &[u8]| bytes.to_vec()),
}

/// Makes the list of a statement's values.
macro_rules! values_of {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::store::query::Value::from($value)),*]
    };
}
pub(super) use values_of;

macro_rules! bound {
    ($database:ty, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query::<$database>($sql);
        for value in $values {
            query = match value {
                Value::Text(value) => query.bind(value),
                Value::Int(value) => query.bind(value),
                Value::Bool(value) => query.bind(value),
                Value::Uuid(value) => query.bind(value),
                Value::Time(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::Json(value) => query.bind(value.map(sqlx::types::Json)),
            };
        }
        query
    }};
}

impl Conn<'_> {
    /// Every row of the answer.
    pub(super) async fn fetch_all<T: FromRow>(
        self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<T>> {
        let rows: Vec<Row> = match self.0 {
            Target::SqlitePool(pool) => {
                sqlite_rows(bound!(sqlx::Sqlite, sql, values).fetch_all(pool).await?)
            }
            Target::Sqlite(connection) => sqlite_rows(
                bound!(sqlx::Sqlite, sql, values)
                    .fetch_all(connection)
                    .await?,
            ),
            Target::PostgresPool(pool) => {
                postgres_rows(bound!(sqlx::Postgres, sql, values).fetch_all(pool).await?)
            }
            Target::Postgres(connection) => postgres_rows(
                bound!(sqlx::Postgres, sql, values)
                    .fetch_all(connection)
                    .await?,
            ),
        };
        rows.iter().map(T::from_row).collect()
    }

    /// The only row of the answer, or none. The statement answers one row at most.
    pub(super) async fn fetch_optional<T: FromRow>(
        self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<T>> {
        Ok(self.fetch_all(sql, values).await?.pop())
    }

    /// The only row of a statement that always answers one.
    pub(super) async fn fetch_one<T: FromRow>(
        self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<T> {
        let row = self.fetch_optional(sql, values).await?;
        row.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Runs a statement without an answer; how many rows it wrote.
    pub(super) async fn execute(self, sql: &'static str, values: Vec<Value>) -> Result<u64> {
        Ok(match self.0 {
            Target::SqlitePool(pool) => bound!(sqlx::Sqlite, sql, values)
                .execute(pool)
                .await?
                .rows_affected(),
            Target::Sqlite(connection) => bound!(sqlx::Sqlite, sql, values)
                .execute(connection)
                .await?
                .rows_affected(),
            Target::PostgresPool(pool) => bound!(sqlx::Postgres, sql, values)
                .execute(pool)
                .await?
                .rows_affected(),
            Target::Postgres(connection) => bound!(sqlx::Postgres, sql, values)
                .execute(connection)
                .await?
                .rows_affected(),
        })
    }
}

fn sqlite_rows(rows: Vec<sqlx::sqlite::SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn postgres_rows(rows: Vec<sqlx::postgres::PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

/// PostgreSQL has no place for U+0000 in texts; SQLite gets the same text, so that both behave alike.
fn clean(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

fn clean_json(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if text.contains('\0') => {
            *text = text.replace('\0', "\u{fffd}");
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(clean_json),
        serde_json::Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('\0')) {
                let old = std::mem::take(fields);
                fields.extend(old.into_iter().map(|(key, value)| (clean(key), value)));
            }
            fields.values_mut().for_each(clean_json);
        }
        _ => {}
    }
}
