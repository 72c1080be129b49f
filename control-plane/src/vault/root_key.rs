//! The key that everything hangs on.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::aead::{Key, random_key};
use super::error::VaultError;
use crate::store::key_terms::KeyTerm;

/// The operator's key. It wraps the keys of the terms, and nothing else.
pub struct RootKey(Key);

impl RootKey {
    /// Reads the text of a root key file: 32 bytes in base64.
    ///
    /// # Errors
    /// [`VaultError::MalformedRootKey`].
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        let bytes = STANDARD.decode(text.expose_secret().trim());
        let bytes = Zeroizing::new(bytes.map_err(|_| VaultError::MalformedRootKey)?);
        let key = Key::new(&bytes).ok_or(VaultError::MalformedRootKey)?;
        Ok(Self(key))
    }

    /// A new root key, as the text of its file.
    ///
    /// # Errors
    /// [`VaultError::Unsealable`] when the random source fails.
    pub fn generate() -> Result<SecretString, VaultError> {
        let bytes = random_key().ok_or(VaultError::Unsealable)?;
        Ok(SecretString::from(STANDARD.encode(bytes.as_slice())))
    }

    /// Makes the key of a term, wrapped for the database.
    pub(super) fn new_term(&self, term: i64) -> Result<Vec<u8>, VaultError> {
        self.wrap_new(&wrapping(term))
    }

    /// Opens the key of a term.
    pub(super) fn unwrap(&self, term: &KeyTerm) -> Result<Key, VaultError> {
        self.unwrap_bytes(&term.wrapped_key, &wrapping(term.term))
            .and_then(|bytes| Key::new(&bytes))
            .ok_or(VaultError::WrongRootKey { term: term.term })
    }

    /// The key of a term, wrapped by another root key.
    pub(super) fn rewrap_term(&self, new: &Self, term: &KeyTerm) -> Result<Vec<u8>, VaultError> {
        self.rewrap(new, &term.wrapped_key, &wrapping(term.term))
            .ok_or(VaultError::WrongRootKey { term: term.term })
    }

    /// Makes a key for a purpose, wrapped for the database.
    pub(super) fn wrap_new(&self, purpose: &[u8]) -> Result<Vec<u8>, VaultError> {
        let bytes = random_key().ok_or(VaultError::Unsealable)?;
        self.0.seal(&bytes, purpose).ok_or(VaultError::Unsealable)
    }

    /// The bytes of a key that this root key wrapped for a purpose; none when it did not.
    pub(super) fn unwrap_bytes(
        &self,
        wrapped: &[u8],
        purpose: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        self.0.open(wrapped, purpose)
    }

    /// A wrapped key, wrapped by another root key; none when this one did not wrap it.
    pub(super) fn rewrap(&self, new: &Self, wrapped: &[u8], purpose: &[u8]) -> Option<Vec<u8>> {
        new.0.seal(&self.unwrap_bytes(wrapped, purpose)?, purpose)
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RootKey")
    }
}

/// What a wrapped key is bound to: that it is one, and of which term.
fn wrapping(term: i64) -> Vec<u8> {
    let mut data = b"warder key term v1\0".to_vec();
    data.extend_from_slice(&term.to_be_bytes());
    data
}
