//! Terms of sealing keys, and sealing with them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::aead::Key;
use super::binding::Binding;
use super::error::VaultError;
use super::ledger::{self, Ledger, View};
use super::places;
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
pub struct Vault(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) root_key: RootKey,
    pub(super) ledger: Ledger,
    max_encryptions: i64,
    /// Keys of committed terms. A term is only ever added, never changed.
    terms: RwLock<HashMap<u32, Arc<Key>>>,
}

/// What [`Vault::verify`] found: places and how many of their values are not as they should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Values that are not the newest: put back, or altered.
    pub put_back: BTreeMap<String, usize>,
    /// Values that are gone without having been deleted by a control plane.
    pub missing: BTreeMap<String, usize>,
}

impl Vault {
    /// Unlocks every key term of the database, and makes the first one of a new database.
    ///
    /// # Errors
    /// [`VaultError::WrongRootKey`] when a term does not open, [`VaultError::NoLedger`] and
    /// [`VaultError::LedgerPutBack`] when the ledger is not what was written last: then nothing works,
    /// and nothing was changed.
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
            ledger: Ledger::default(),
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
        let mut tx = vault.0.store.begin_read().await?;
        vault.view(&mut tx).await?;
        Ok(vault)
    }

    /// Seals a value, counted and entered in the ledger in the transaction that stores it, which is one
    /// of [`Store::begin`].
    ///
    /// # Errors
    /// When the database fails, or the ledger is not what was written last.
    pub async fn seal(
        &self,
        tx: &mut Tx,
        binding: &Binding,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        if !places::PLACES.contains(&(binding.table, binding.column)) {
            let place = binding.place();
            return Err(VaultError::UnknownPlace { place });
        }
        self.settle(tx).await?;
        let term = self.count_encryption(tx).await?;
        let number = term_number(term.term)?;
        // A key in memory is one of a committed term. One that is not there yet comes from the
        // transaction: a term that another transaction made and undid must never seal anything.
        let key = match self.known_key(number) {
            Some(key) => key,
            None => Arc::new(self.0.root_key.unwrap(&term)?),
        };
        let header = header(number);
        let sealed = key
            .seal(plaintext, &binding.associated_data(&header))
            .ok_or(VaultError::Unsealable)?;
        let sealed = [header.as_slice(), &sealed].concat();
        let view = self.view(tx).await?;
        let entry = (&binding.slot(), Some(sealed.as_slice()));
        self.0.ledger.write(view, tx, entry, Some(&term)).await?;
        Ok(sealed)
    }

    /// Strikes the sealed values that a transaction deleted from the ledger. A transaction that deleted
    /// some does not commit before.
    ///
    /// # Errors
    /// As [`Vault::seal`].
    pub async fn settle(&self, tx: &mut Tx) -> Result<(), VaultError> {
        for dropped in tx.take_dropped_seals() {
            let view = self.view(tx).await?;
            let slot = (dropped.place.to_owned(), dropped.row);
            self.0.ledger.write(view, tx, (&slot, None), None).await?;
        }
        Ok(())
    }

    /// Opens a value that was read in this transaction, one of [`Store::begin`] or
    /// [`Store::begin_read`].
    ///
    /// # Errors
    /// [`VaultError::Tampered`] when it was sealed with another binding or altered since,
    /// [`VaultError::PutBack`] when another one was sealed in its place since or it was deleted,
    /// [`VaultError::UnknownTerm`] and [`VaultError::UnknownFormat`] when this database or version did
    /// not make it; [`VaultError::LedgerPutBack`] when nothing opens.
    pub async fn open_value(
        &self,
        tx: &mut Tx,
        binding: &Binding,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let opened = self.open_newest(tx, binding, sealed).await;
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

    /// Compares every sealed value with the ledger, and logs what is not as it should be.
    ///
    /// # Errors
    /// When the database fails, or the ledger is not what was written last.
    pub async fn verify(&self) -> Result<Verification, VaultError> {
        let mut tx = self.0.store.begin_read().await?;
        let view = self.view(&mut tx).await.inspect_err(|error| {
            if !matches!(error, VaultError::Store(_)) {
                tracing::error!("security: {error}");
            }
        })?;
        let mut found = HashSet::new();
        let mut verification = Verification::default();
        for (binding, sealed) in places::every(&mut tx).await? {
            if !self.is_newest(&mut tx, &view, &binding, &sealed).await? {
                *verification.put_back.entry(binding.place()).or_default() += 1;
            }
            found.insert(binding.slot());
        }
        for (place, _) in self.0.ledger.missing(&view, &found) {
            *verification.missing.entry(place).or_default() += 1;
        }
        for (place, count) in &verification.put_back {
            tracing::error!(
                place,
                count,
                "security: {count} sealed value(s) of {place} were put back to an older state, and do not open"
            );
        }
        for (place, count) in &verification.missing {
            tracing::error!(
                place,
                count,
                "security: {count} sealed value(s) of {place} are gone, and no control plane deleted them"
            );
        }
        self.load_terms().await?;
        Ok(verification)
    }

    /// Drops what the ledger need not remember any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clean(&self) -> Result<(), VaultError> {
        let mut tx = self.0.store.begin().await?;
        ledger::clean(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// The ledger as a transaction sees it.
    pub(super) async fn view(&self, tx: &mut Tx) -> Result<View, VaultError> {
        let Inner {
            store,
            root_key,
            ledger,
            ..
        } = &*self.0;
        let view = ledger.view(store, root_key, tx).await?;
        if Ledger::was_read_anew(&view) {
            // Terms may have been made anew as well.
            self.load_terms().await?;
        }
        Ok(view)
    }

    async fn is_newest(
        &self,
        tx: &mut Tx,
        view: &View,
        binding: &Binding,
        sealed: &[u8],
    ) -> Result<bool, VaultError> {
        let entry = (&binding.slot(), sealed);
        self.0
            .ledger
            .is_newest(view, &self.0.root_key, tx, entry)
            .await
    }

    async fn open_newest(
        &self,
        tx: &mut Tx,
        binding: &Binding,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let opened = self.try_open(binding, sealed).await?;
        let view = self.view(tx).await?;
        if self.is_newest(tx, &view, binding, sealed).await? {
            return Ok(opened);
        }
        let place = binding.place();
        Err(VaultError::PutBack { place })
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

    pub(super) async fn load_terms(&self) -> Result<(), VaultError> {
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
            let term = self.add_term(&mut tx, 1, 0).await?;
            ledger::begin(&self.0.root_key, &mut tx, &[], &term).await?;
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

    pub(super) async fn add_term(
        &self,
        tx: &mut Tx,
        term: i64,
        encryptions: i64,
    ) -> Result<KeyTerm, VaultError> {
        add_term(&self.0.root_key, tx, term, encryptions).await
    }
}

/// Makes the next term.
pub(super) async fn add_term(
    root_key: &RootKey,
    tx: &mut Tx,
    term: i64,
    encryptions: i64,
) -> Result<KeyTerm, VaultError> {
    let wrapped_key = root_key.new_term(term)?;
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

/// The term whose key sealed a value.
pub(super) fn term_of(sealed: &[u8]) -> Option<i64> {
    let (header, _) = sealed.split_first_chunk::<HEADER_LENGTH>()?;
    let term = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    Some(i64::from(term))
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
