//! Every way in which the keys can fail.

use crate::store::StoreError;
use crate::vault::VaultError;

/// Why a key was not made, loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFailure {
    /// There is no key to sign with.
    #[error("there is no key to sign with")]
    NoKey,
    /// The random source or the signature failed.
    #[error("the cryptographic library failed")]
    Cryptography,
    /// The claims cannot be written as JSON.
    #[error("a token cannot be written: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
