//! The vault: bytes in, sealed bytes out, bound to the place that they are kept in.
//!
//! Three layers: the *root key*, which the operator holds, wraps one key per *term*; the newest term's
//! key seals values, every term's key opens them. A sealed value is
//!
//! ```text
//! format (1) ‖ term (4, big endian) ‖ nonce (12) ‖ ciphertext and tag
//! ```
//!
//! under AES-256-GCM (NIST SP 800-38D) with a random nonce. Its associated data are its own header and
//! a [`Binding`]: table, column, row, owner, origin and revision. So a value that was moved, copied or
//! altered does not open, and no key seals more values than random nonces allow. A ledger outside of the
//! rows remembers what was sealed last, so that a row that was put back does not open either.
//!
//! **Invariant:** what cannot be opened is an error; nothing here deletes, and nothing here knows what
//! the bytes mean.

mod aead;
mod binding;
mod error;
mod keyring;
mod ledger;
mod places;
mod root_key;
mod rotation;

pub(crate) use aead::Key as AeadKey;
pub use binding::Binding;
pub use error::VaultError;
pub use keyring::{Vault, Verification};
pub use root_key::RootKey;

#[cfg(test)]
mod tests;
