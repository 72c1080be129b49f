//! Transactions, and how the rest of the system hears of them.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Sqlite, Transaction};
use tokio::sync::{OwnedMutexGuard, watch};
use warder_shared::clock::Clock;

use super::query::{Conn, Target};
use super::sealed::DroppedSeal;
use super::{Result, StoreError, changes};
use crate::domain::Change;

/// An open transaction. Dropped without [`Tx::commit`], nothing of it happened.
#[derive(Debug)]
pub struct Tx {
    inner: Inner,
    clock: Clock,
    /// The version of this transaction's changes, once there is one.
    version: Option<i64>,
    committed: watch::Sender<()>,
    /// Sealed values that are gone when this commits, and that the vault does not know to be.
    dropped_seals: Vec<DroppedSeal>,
    /// Whether the vault's ledger was written.
    wrote_ledger: bool,
    /// Held while this process writes to SQLite, which has room for one writer.
    writer: Option<OwnedMutexGuard<()>>,
}

#[derive(Debug)]
pub(super) enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) fn new(
        inner: Inner,
        clock: Clock,
        committed: watch::Sender<()>,
        writer: Option<OwnedMutexGuard<()>>,
    ) -> Self {
        Self {
            inner,
            clock,
            version: None,
            committed,
            dropped_seals: Vec::new(),
            wrote_ledger: false,
            writer,
        }
    }

    /// The time that this transaction's rows carry.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The clock of the store.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Tells the pods of a change when this transaction commits. Naming the same change twice is
    /// the same as once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_change(&mut self, change: Change) -> Result<()> {
        let version = match self.version {
            Some(version) => version,
            None => {
                let version = changes::next_version(self).await?;
                self.version = Some(version);
                version
            }
        };
        changes::insert(self, version, change).await
    }

    /// Notes that a sealed value is deleted.
    pub(super) fn drop_seal(&mut self, place: &'static str, row: impl ToString) {
        let row = row.to_string();
        self.dropped_seals.push(DroppedSeal { place, row });
    }

    /// The sealed values that were deleted since this was last asked, for the vault to forget.
    pub fn take_dropped_seals(&mut self) -> Vec<DroppedSeal> {
        std::mem::take(&mut self.dropped_seals)
    }

    pub(super) const fn note_ledger(&mut self) {
        self.wrote_ledger = true;
    }

    /// Whether the vault's ledger, as this transaction sees it, is its own doing and may come to nothing.
    #[must_use]
    pub const fn wrote_ledger(&self) -> bool {
        self.wrote_ledger
    }

    /// Makes everything in it happen, durably, and wakes the change feed of this process and, on
    /// PostgreSQL, of every other.
    ///
    /// # Errors
    /// When the database fails; whether it happened is then unknown. [`StoreError::Unsettled`] when a
    /// sealed value was deleted and the vault not told (`Vault::settle`); then nothing happened.
    pub async fn commit(mut self) -> Result<()> {
        if let Some(dropped) = self.dropped_seals.first() {
            return Err(StoreError::Unsettled {
                place: dropped.place,
            });
        }
        if self.version.is_some() {
            self.notify().await?;
        }
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await?,
            Inner::Postgres(tx) => tx.commit().await?,
        }
        drop(self.writer);
        if self.version.is_some() {
            self.committed.send_replace(());
        }
        Ok(())
    }

    pub(super) fn target(&mut self) -> Target<'_> {
        match &mut self.inner {
            Inner::Sqlite(tx) => Target::Sqlite(tx),
            Inner::Postgres(tx) => Target::Postgres(tx),
        }
    }

    /// PostgreSQL delivers it at commit. SQLite has one process, which `committed` wakes.
    async fn notify(&mut self) -> Result<()> {
        if let Inner::Postgres(_) = self.inner {
            Conn::from(self)
                .execute(changes::NOTIFY, Vec::new())
                .await?;
        }
        Ok(())
    }
}
