//! Opening databases and transactions.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::{Mutex, watch};
use warder_shared::clock::Clock;

use super::query::Target;
use super::tx::{Inner, Tx};
use super::{Result, StoreError, changes, migrations};

/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an SQLite connection waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Readers of an SQLite database beside the one writer.
const SQLITE_CONNECTIONS: u32 = 8;

/// Connections of one control plane to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// The database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    clock: Clock,
    committed: watch::Sender<()>,
}

#[derive(Debug, Clone)]
enum Db {
    /// The lock keeps this process's writers in a queue, where SQLite alone would let them poll.
    Sqlite {
        pool: SqlitePool,
        writer: Arc<Mutex<()>>,
    },
    Postgres {
        pool: PgPool,
    },
}

impl Store {
    /// Opens the database at `url`, `sqlite:PATH` (made when missing, readable by its owner only) or
    /// `postgres://…`. Does not touch the schema: see [`Store::migrate`].
    ///
    /// # Errors
    /// When the URL is neither, or the database cannot be reached.
    pub async fn connect(url: &str, clock: Clock) -> Result<Self> {
        let db = if url.starts_with("sqlite:") {
            open_sqlite(url).await?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            open_postgres(url).await?
        } else {
            return Err(StoreError::Url(
                "expected sqlite:PATH or postgres://…".to_owned(),
            ));
        };
        Ok(Self {
            db,
            clock,
            committed: watch::Sender::new(()),
        })
    }

    /// Brings the schema up to date and gives a new database its identity. Several replicas may do
    /// so at once.
    ///
    /// # Errors
    /// When the database is newer than this program, was changed by hand, or fails.
    pub async fn migrate(&self) -> Result<()> {
        match &self.db {
            Db::Sqlite { pool, writer } => {
                let _writer = writer.lock().await;
                migrate_sqlite(pool).await?;
            }
            Db::Postgres { pool } => migrations::postgres()?.run(pool).await?,
        }
        super::settings::ensure_epoch(self).await
    }

    /// Opens a transaction that changes configuration. They run one after the other, on every
    /// replica, so what one has read stays true until it commits. Keep it short.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self) -> Result<Tx> {
        let mut tx = self.begin_append().await?;
        if let Db::Postgres { .. } = self.db {
            changes::lock(&mut tx).await?;
        }
        Ok(tx)
    }

    /// Opens a transaction that only adds rows which no other transaction's decision depends on, such
    /// as audit events: on PostgreSQL it waits for nobody.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_append(&self) -> Result<Tx> {
        let (inner, guard) = match &self.db {
            Db::Sqlite { pool, writer } => {
                let guard = Arc::clone(writer).lock_owned().await;
                // A deferred transaction that reads and then writes fails at once when another
                // process wrote in between.
                (
                    Inner::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
                    Some(guard),
                )
            }
            Db::Postgres { pool } => (Inner::Postgres(pool.begin().await?), None),
        };
        Ok(Tx::new(
            inner,
            self.clock.clone(),
            self.committed.clone(),
            guard,
        ))
    }

    /// Opens a transaction whose statements all see the same moment. Nothing may be written in it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_read(&self) -> Result<Tx> {
        const POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let inner = match &self.db {
            Db::Sqlite { pool, .. } => Inner::Sqlite(pool.begin().await?),
            Db::Postgres { pool } => Inner::Postgres(pool.begin_with(POSTGRES).await?),
        };
        Ok(Tx::new(
            inner,
            self.clock.clone(),
            self.committed.clone(),
            None,
        ))
    }

    /// Resolves its `changed()` after every commit of this process that recorded changes.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<()> {
        self.committed.subscribe()
    }

    /// Listens for commits of other replicas; none on SQLite, which has one process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listen(&self) -> Result<Option<PgListener>> {
        let Db::Postgres { pool } = &self.db else {
            return Ok(None);
        };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(changes::CHANNEL).await?;
        Ok(Some(listener))
    }

    /// The clock that the store was opened with.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Closes every connection, once its work is done.
    pub async fn close(&self) {
        match &self.db {
            Db::Sqlite { pool, .. } => pool.close().await,
            Db::Postgres { pool } => pool.close().await,
        }
    }

    pub(super) fn target(&self) -> Target<'_> {
        match &self.db {
            Db::Sqlite { pool, .. } => Target::SqlitePool(pool),
            Db::Postgres { pool } => Target::PostgresPool(pool),
        }
    }
}

/// SQLite has no lock for a whole run. When another process was faster with a migration, this one's
/// failed as a whole, and running again finds it done.
async fn migrate_sqlite(pool: &SqlitePool) -> Result<()> {
    let migrator = migrations::sqlite()?;
    for _ in migrator.iter() {
        if migrator.run(pool).await.is_ok() {
            return Ok(());
        }
    }
    Ok(migrator.run(pool).await?)
}

async fn open_sqlite(url: &str) -> Result<Db> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        // Every connection of a pool would have a database of its own.
        return Err(StoreError::Url(
            "an SQLite database has to be a file".to_owned(),
        ));
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| StoreError::Url("expected sqlite:PATH".to_owned()))?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    make_private(options.get_filename()).map_err(StoreError::File)?;
    let pool = SqlitePoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await?;
    Ok(Db::Sqlite {
        pool,
        writer: Arc::default(),
    })
}

async fn open_postgres(url: &str) -> Result<Db> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Url("expected postgres://USER@HOST/DATABASE".to_owned()))?
        .application_name("warder-control-plane");
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await?;
    Ok(Db::Postgres { pool })
}

/// Makes a missing database file with mode 0600; SQLite gives its journals the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}
