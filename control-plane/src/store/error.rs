//! Every way in which the store can fail.

/// Why a store function failed. Never holds a bound value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with the same unique key is there already.
    #[error("a row with the same key exists already")]
    Conflict,
    /// The row refers to one that does not exist, or one that exists refers to it.
    #[error("the row refers to one that does not exist")]
    MissingReference,
    /// The database cannot be reached or is overloaded; the same call may work later.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// A stored value is not what this version of Warder writes.
    #[error("the stored value of `{column}` is not readable: {reason}")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// What is wrong, without the value.
        reason: String,
    },
    /// A sealed value was deleted and the vault not told: a defect.
    #[error("a sealed value of {place} was deleted and the vault's ledger not settled")]
    Unsettled {
        /// Table and column.
        place: &'static str,
    },
    /// The address of the database is not usable.
    #[error("the database URL is not usable: {0}")]
    Url(String),
    /// A file of an SQLite database cannot be made.
    #[error("the database file cannot be opened: {0}")]
    File(#[source] std::io::Error),
    /// The schema cannot be brought up to date.
    #[error("the schema cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database refused a statement: a defect.
    #[error("the database refused a statement: {0}")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Conflict,
            sqlx::Error::Database(database) if database.is_foreign_key_violation() => {
                Self::MissingReference
            }
            sqlx::Error::Database(database) if is_transient(database.code().as_deref()) => {
                Self::Unavailable(error)
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

/// SQLite result codes are decimal numbers whose lowest byte is the primary code; PostgreSQL's are
/// five characters whose first two are the class.
fn is_transient(code: Option<&str>) -> bool {
    /// SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
    const SQLITE: [u32; 5] = [5, 6, 10, 13, 14];
    /// Connection exception, transaction rollback, insufficient resources, operator intervention,
    /// system error.
    const POSTGRES: [&str; 5] = ["08", "40", "53", "57", "58"];
    match code {
        Some(code) if code.len() == 5 => POSTGRES.contains(&&code[..2]),
        Some(code) => code
            .parse::<u32>()
            .is_ok_and(|code| SQLITE.contains(&(code & 0xff))),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_pass_by_themselves_are_transient() {
        for code in ["5", "517", "13", "57P01", "40001", "53300"] {
            assert!(is_transient(Some(code)), "{code}");
        }
        for code in ["1", "19", "2067", "42601", "22P05"] {
            assert!(!is_transient(Some(code)), "{code}");
        }
        assert!(!is_transient(None));
    }
}
