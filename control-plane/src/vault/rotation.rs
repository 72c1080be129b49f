//! Changing the keys, and taking a restored database for what it is.

use super::error::VaultError;
use super::keyring::{Vault, add_term, term_of};
use super::root_key::RootKey;
use super::{ledger, places};
use crate::store::{Tx, key_terms, sealed};

/// How many values are sealed anew in one transaction.
const BATCH: usize = 100;

impl Vault {
    /// Wraps the key of every term with another root key; how many. The transaction's commit makes the
    /// old root key useless for this database. Processes that run on go on with the keys that they have
    /// in memory, and cannot unlock new terms until they start with the new root key.
    ///
    /// # Errors
    /// [`VaultError::WrongRootKey`] when `old` is not the root key.
    pub async fn rotate_root_key(
        tx: &mut Tx,
        old: &RootKey,
        new: &RootKey,
    ) -> Result<usize, VaultError> {
        let terms = key_terms::list(&mut *tx).await?;
        for term in &terms {
            let wrapped = old.rewrap_term(new, term)?;
            key_terms::set_wrapped_key(tx, term.term, &wrapped).await?;
        }
        ledger::rewrap(old, new, tx).await?;
        Ok(terms.len())
    }

    /// Makes a new key term; which. Every value is sealed by it from the transaction's commit on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_term(&self, tx: &mut Tx) -> Result<i64, VaultError> {
        let terms = key_terms::list(&mut *tx).await?;
        let newest = terms.last().map_or(0, |term| term.term);
        Ok(self.add_term(tx, newest + 1, 0).await?.term)
    }

    /// Seals every value of earlier terms anew, in small transactions; how many.
    ///
    /// # Errors
    /// When a value does not open: it is left as it is, and so are the keys.
    pub async fn seal_anew(&self, term: i64) -> Result<usize, VaultError> {
        let mut count = 0;
        loop {
            let mut tx = self.0.store.begin_read().await?;
            let earlier = self.view(&mut tx).await?;
            let mut values = places::every(&mut tx).await?;
            drop(tx);
            values.retain(|(_, sealed)| term_of(sealed).is_none_or(|of| of < term));
            if values.is_empty() {
                return Ok(count);
            }
            for batch in values.chunks(BATCH) {
                let mut tx = self.0.store.begin().await?;
                for (binding, bytes) in batch {
                    let view = self.view(&mut tx).await?;
                    // It was sealed by the new term meanwhile, or is gone.
                    if self
                        .0
                        .ledger
                        .changed_since(&view, &binding.slot(), &earlier)
                    {
                        continue;
                    }
                    let opened = self.open_value(&mut tx, binding, bytes).await?;
                    let anew = self.seal(&mut tx, binding, &opened).await?;
                    sealed::replace(&mut tx, &binding.place(), &binding.row, &anew).await?;
                    count += 1;
                }
                tx.commit().await?;
            }
        }
    }

    /// Destroys the keys of the terms before one; how many. None while a value needs them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn destroy_terms_before(&self, tx: &mut Tx, term: i64) -> Result<u64, VaultError> {
        let values = places::every(tx).await?;
        let is_needed = |sealed: &[u8]| term_of(sealed).is_none_or(|of| of < term);
        if values.iter().any(|(_, sealed)| is_needed(sealed)) {
            return Ok(0);
        }
        Ok(key_terms::delete_before(tx, term).await?)
    }

    /// Takes every sealed value for the newest, as after a backup was restored on purpose; how many.
    /// From now on a new key seals: nobody knows how many values the old one has sealed since the backup.
    ///
    /// # Errors
    /// [`VaultError::WrongRootKey`] when the root key is not this database's.
    pub async fn accept_restore(tx: &mut Tx, root_key: &RootKey) -> Result<usize, VaultError> {
        let terms = key_terms::list(&mut *tx).await?;
        for term in &terms {
            root_key.unwrap(term)?;
        }
        let newest = terms.last().map_or(0, |term| term.term);
        let term = add_term(root_key, tx, newest + 1, 0).await?;
        let values = places::every(tx).await?;
        let values: Vec<_> = values
            .into_iter()
            .map(|(binding, sealed)| (binding.slot(), sealed))
            .collect();
        ledger::begin(root_key, tx, &values, &term).await?;
        Ok(values.len())
    }
}
