//! Every way in which the vault can fail.

use crate::store::StoreError;

/// Why a value was not sealed or not opened. Never holds key material or plaintext.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The root key file does not hold one.
    #[error("the root key has to be 32 bytes, base64 on one line")]
    MalformedRootKey,
    /// The root key is not the one that this database was made with.
    #[error(
        "the root key does not open this database: it was made with another one (key term {term})"
    )]
    WrongRootKey {
        /// The key term that does not open.
        term: i64,
    },
    /// The value was sealed in a way that this version does not know.
    #[error("a sealed value of {place} has an unknown format")]
    UnknownFormat {
        /// Table and column.
        place: String,
    },
    /// The value was sealed with a key that is not there.
    #[error("a sealed value of {place} needs key term {term}, which does not exist")]
    UnknownTerm {
        /// Table and column.
        place: String,
        /// The term that the value names.
        term: u32,
    },
    /// The value was altered, or is not where it was sealed for.
    #[error("a sealed value of {place} does not open: it was altered or moved")]
    Tampered {
        /// Table and column.
        place: String,
    },
    /// The value was sealed here once, but is not what was sealed last: it was put back.
    #[error("a sealed value of {place} is not the newest: it was put back to an older state")]
    PutBack {
        /// Table and column.
        place: String,
    },
    /// The database has key terms but no ledger.
    #[error(
        "the vault's ledger is missing: if this database was made by an earlier version or restored \
         without it, run `warder-control-plane vault accept-restore`"
    )]
    NoLedger,
    /// The ledger does not add up, or is older than it was.
    #[error(
        "the vault's ledger was altered or put back to an older state: if a backup was restored on \
         purpose, run `warder-control-plane vault accept-restore`"
    )]
    LedgerPutBack,
    /// The column is not in `vault/places.rs`: a defect.
    #[error("{place} is not a place for sealed values")]
    UnknownPlace {
        /// Table and column.
        place: String,
    },
    /// The value is too long to be sealed, or the random source failed.
    #[error("a value cannot be sealed")]
    Unsealable,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
