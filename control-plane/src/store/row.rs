//! Reading rows, the same way from both databases.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use super::{Result, StoreError};

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A type that a row turns into.
pub(super) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self>;
}

/// A type that a column of both databases turns into.
pub(super) trait Readable:
    Type<Sqlite> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, Postgres>
{
}

impl<T> Readable for T where
    T: Type<Sqlite> + Type<Postgres> + for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, Postgres>
{
}

impl Row {
    /// A column by its name.
    pub(super) fn get<T: Readable>(&self, column: &'static str) -> Result<T> {
        let read = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        read.map_err(|error| corrupt(column, error))
    }

    /// A column that is NULL or holds a value.
    pub(super) fn optional<T: Readable>(&self, column: &'static str) -> Result<Option<T>> {
        let read = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        read.map_err(|error| corrupt(column, error))
    }

    /// A text column that stands for something else.
    pub(super) fn parse<T>(&self, column: &'static str) -> Result<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text: String = self.get(column)?;
        text.parse().map_err(|error| corrupt(column, error))
    }

    /// A text column that is NULL or stands for something else.
    pub(super) fn parse_optional<T>(&self, column: &'static str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text: Option<String> = self.optional(column)?;
        text.map(|text| text.parse().map_err(|error| corrupt(column, error)))
            .transpose()
    }

    /// A JSON column.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        let value: Json<serde_json::Value> = self.get(column)?;
        serde_json::from_value(value.0).map_err(|error| corrupt(column, error))
    }

    /// A JSON column that may be NULL.
    pub(super) fn json_optional<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>> {
        let value: Option<Json<serde_json::Value>> = self.optional(column)?;
        value
            .map(|value| serde_json::from_value(value.0).map_err(|error| corrupt(column, error)))
            .transpose()
    }

    /// A sealed value from its three columns, which are NULL together.
    pub(super) fn sealed(
        &self,
        bytes: &'static str,
        origin: &'static str,
        revision: &'static str,
    ) -> Result<Option<Sealed>> {
        match (
            self.optional(bytes)?,
            self.optional(origin)?,
            self.optional(revision)?,
        ) {
            (None, None, None) => Ok(None),
            (Some(bytes), Some(origin), Some(revision)) => Ok(Some(Sealed {
                bytes,
                origin,
                revision,
            })),
            _ => Err(corrupt(
                bytes,
                "a sealed value without its origin or revision",
            )),
        }
    }
}

/// A sealed value as it is stored: what the vault made, and the two facts that it is bound to besides
/// its place and owner.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What the vault made.
    pub bytes: Vec<u8>,
    /// The one origin that the value may be sent to, when it was sealed.
    pub origin: String,
    /// How many times the value had been written, when it was sealed.
    pub revision: i64,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sealed")
            .field("origin", &self.origin)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// Reads the first column as a number.
pub(super) struct Number(pub(super) i64);

impl FromRow for Number {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(row.get("number")?))
    }
}

pub(super) fn corrupt(column: &'static str, reason: impl Display) -> StoreError {
    StoreError::Corrupt {
        column,
        reason: reason.to_string(),
    }
}
