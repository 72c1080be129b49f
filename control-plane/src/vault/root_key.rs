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
        let bytes = random_key().ok_or(VaultError::Unsealable)?;
        self.0
            .seal(&bytes, &wrapping(term))
            .ok_or(VaultError::Unsealable)
    }

    /// Opens the key of a term.
    pub(super) fn unwrap(&self, term: &KeyTerm) -> Result<Key, VaultError> {
        let wrong = || VaultError::WrongRootKey { term: term.term };
        let bytes = self
            .0
            .open(&term.wrapped_key, &wrapping(term.term))
            .ok_or_else(wrong)?;
        Key::new(&bytes).ok_or_else(wrong)
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
