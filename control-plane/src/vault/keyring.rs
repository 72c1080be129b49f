//! Terms of sealing keys, and sealing with them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::aead::Key;
use super::binding::Binding;
use super::error::VaultError;
use super::root_key::RootKey;
use crate::store::key_terms::{self, KeyTerm};
use crate::store::{Store, Tx};

/// The only format there is.
const FORMAT: u8 = 1;

/// Format and term.
const HEADER_LENGTH: usize = 5;

/// How many values one key may seal with random nonces (NIST SP 800-38D, section 8.3).
const MAX_ENCRYPTIONS: i64 = 1 << 32;

/// Seals and opens values. Clones share the keys.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    store: Store,
    root_key: RootKey,
    max_encryptions: i64,
    /// Keys of committed terms. A term is only ever added, never changed.
    terms: RwLock<HashMap<u32, Arc<Key>>>,
}

impl Vault {
    /// Unlocks every key term of the database, and makes the first one of a new database.
    ///
    /// # Errors
    /// [`VaultError::WrongRootKey`] when a term does not open: then nothing works, and nothing was
    /// changed.
    pub async fn open(store: Store, root_key: RootKey) -> Result<Self, VaultError> {
        Self::open_with_limit(store, root_key, MAX_ENCRYPTIONS).await
    }

    /// As [`Vault::open`], with another number of values per key.
    pub(super) async fn open_with_limit(
        store: Store,
        root_key: RootKey,
        max_encryptions: i64,
    ) -> Result<Self, VaultError> {
        let terms = RwLock::default();
        let vault = Self(Arc::new(Inner {
            store,
            root_key,
            max_encryptions,
            terms,
        }));
        vault.load_terms().await?;
        let is_new = vault
            .0
            .terms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        if is_new {
            vault.make_first_term().await?;
        }
        Ok(vault)
    }

    /// Seals a value, counted in the transaction that stores it, which is one of [`Store::begin`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn seal(
        &self,
        tx: &mut Tx,
        binding: &Binding,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let term = self.count_encryption(tx).await?;
        // The key comes from the transaction, not from memory: a term that another transaction made and
        // undid must never seal anything.
        let key = self.0.root_key.unwrap(&term)?;
        let number = term_number(term.term)?;
        let header = header(number);
        let sealed = key
            .seal(plaintext, &binding.associated_data(&header))
            .ok_or(VaultError::Unsealable)?;
        Ok([header.as_slice(), &sealed].concat())
    }

    /// Opens a value.
    ///
    /// # Errors
    /// [`VaultError::Tampered`] when it was sealed with another binding or altered since,
    /// [`VaultError::UnknownTerm`] and [`VaultError::UnknownFormat`] when this database or version did
    /// not make it.
    pub async fn open_value(
        &self,
        binding: &Binding,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let opened = self.try_open(binding, sealed).await;
        if let Err(error) = &opened
            && !matches!(error, VaultError::Store(_))
        {
            tracing::error!(
                table = binding.table, column = binding.column, row = %binding.row,
                "security: {error}",
            );
        }
        opened
    }

    async fn try_open(
        &self,
        binding: &Binding,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let place = || binding.place();
        let tampered = || VaultError::Tampered { place: place() };
        let (&format, _) = sealed.split_first().ok_or_else(tampered)?;
        if format != FORMAT {
            return Err(VaultError::UnknownFormat { place: place() });
        }
        let (header, body) = sealed
            .split_first_chunk::<HEADER_LENGTH>()
            .ok_or_else(tampered)?;
        let term = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        let key = self
            .key_of(term)
            .await?
            .ok_or_else(|| VaultError::UnknownTerm {
                place: place(),
                term,
            })?;
        key.open(body, &binding.associated_data(header))
            .ok_or_else(tampered)
    }

    /// The key of a committed term. Another replica may have made it since this one looked.
    async fn key_of(&self, term: u32) -> Result<Option<Arc<Key>>, VaultError> {
        if let Some(key) = self.known_key(term) {
            return Ok(Some(key));
        }
        self.load_terms().await?;
        Ok(self.known_key(term))
    }

    fn known_key(&self, term: u32) -> Option<Arc<Key>> {
        self.0
            .terms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&term)
            .cloned()
    }

    async fn load_terms(&self) -> Result<(), VaultError> {
        let mut keys = HashMap::new();
        for term in key_terms::list(&self.0.store).await? {
            keys.insert(
                term_number(term.term)?,
                Arc::new(self.0.root_key.unwrap(&term)?),
            );
        }
        *self.0.terms.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    async fn make_first_term(&self) -> Result<(), VaultError> {
        let mut tx = self.0.store.begin().await?;
        // Another replica may have been faster, perhaps with another root key.
        if key_terms::list(&mut tx).await?.is_empty() {
            self.add_term(&mut tx, 1, 0).await?;
        }
        tx.commit().await?;
        self.load_terms().await
    }

    async fn count_encryption(&self, tx: &mut Tx) -> Result<KeyTerm, VaultError> {
        let newest = key_terms::count_encryption(tx).await?;
        match newest {
            Some(term) if term.encryptions <= self.0.max_encryptions => Ok(term),
            Some(term) => self.add_term(tx, term.term + 1, 1).await,
            None => self.add_term(tx, 1, 1).await,
        }
    }

    async fn add_term(
        &self,
        tx: &mut Tx,
        term: i64,
        encryptions: i64,
    ) -> Result<KeyTerm, VaultError> {
        let wrapped_key = self.0.root_key.new_term(term)?;
        let term = KeyTerm {
            term,
            wrapped_key,
            encryptions,
            created_at: tx.now(),
        };
        key_terms::insert(tx, &term).await?;
        tracing::info!(term = term.term, "made key term {}", term.term);
        Ok(term)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Vault")
    }
}

fn header(term: u32) -> [u8; HEADER_LENGTH] {
    let [a, b, c, d] = term.to_be_bytes();
    [FORMAT, a, b, c, d]
}

fn term_number(term: i64) -> Result<u32, VaultError> {
    u32::try_from(term).map_err(|_| VaultError::Unsealable)
}
