//! What was sealed last, remembered outside of the rows that hold it (T52).
//!
//! A sealed value is bound to its row and revision, so it opens in no other place; but a row that is put
//! back *whole*, as from an older backup, would. So each value has a line in a ledger: the SHA-256 of its
//! bytes and the epoch in which it was sealed or deleted. A checkpoint holds the sum, modulo 2^256, of
//! HMAC-SHA-256 (RFC 2104) over every line, under a key that only the root key opens; the sum itself is
//! sealed, so that nobody learns terms of it. Each line that is written makes the next epoch and the next
//! checkpoint, in the transaction that writes the value.
//!
//! Every process keeps the ledger in memory. To open a value it reads, in the transaction that read the
//! value, the checkpoint and the lines since the epoch that it knows: if they do not add up, or the epoch
//! went back, nothing opens; if the value is not the one of its line, it does not open. What this cannot
//! see is a database that was put back as a whole while no process was running.
//!
//! **Invariant:** what a transaction has written is believed by that transaction alone until it commits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use super::aead::Key;
use super::error::VaultError;
use super::root_key::RootKey;
use crate::store::key_terms::KeyTerm;
use crate::store::vault_ledger::{self, Checkpoint, LedgerLine};
use crate::store::{Store, Tx};

/// How many checkpoints one key seals: well below what random nonces allow.
const CHECKPOINTS_PER_KEY: i64 = 1 << 24;

/// Lines of deleted values are kept for this many epochs, for processes that have not read them yet.
const KEPT_EPOCHS: i64 = 100_000;

/// Table and column, and the row's key.
pub(super) type Slot = (String, String);

/// The ledger of one process.
#[derive(Default)]
pub(super) struct Ledger(Mutex<State>);

/// The ledger in memory, as of an epoch whose checkpoint was verified. The epoch never goes back.
#[derive(Default)]
struct State {
    epoch: i64,
    key: Option<Arc<LedgerKey>>,
    sum: Sum,
    lines: HashMap<Slot, Line>,
}

/// A line, as far as this process remembers it.
#[derive(Clone, Copy)]
struct Line {
    epoch: i64,
    /// None: the value was deleted.
    digest: Option<[u8; 32]>,
}

/// The ledger as one transaction sees it.
pub(super) struct View {
    epoch: i64,
    wrapped_key: Vec<u8>,
    key: Arc<LedgerKey>,
    total: Total,
    /// Lines that are not in the memory that transactions share.
    own: HashMap<Slot, Line>,
    /// Whether `own` has every line.
    is_whole: bool,
}

/// What a checkpoint seals.
#[derive(Clone, Copy, Default)]
struct Total {
    sum: Sum,
    /// The key term that sealed last, and how many values it has sealed.
    term: i64,
    encryptions: i64,
}

/// The key of the ledger.
struct LedgerKey(hmac::Key);

/// A number modulo 2^256, its lowest 64 bits first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum([u64; 4]);

impl Ledger {
    /// What a transaction may believe.
    ///
    /// # Errors
    /// [`VaultError::NoLedger`] and [`VaultError::LedgerPutBack`] when the ledger is not what was written
    /// last.
    pub(super) async fn view(
        &self,
        store: &Store,
        root_key: &RootKey,
        tx: &mut Tx,
    ) -> Result<View, VaultError> {
        let checkpoint = read_checkpoint(tx).await?;
        let (known, key) = {
            let state = self.lock();
            (state.epoch, state.key.clone())
        };
        if checkpoint.epoch < known {
            // The transaction may have begun before one that this process knows of; the database itself
            // may not be older than it once was.
            let newest = vault_ledger::checkpoint(store).await?;
            if newest.is_none_or(|newest| newest.epoch < known) {
                return Err(VaultError::LedgerPutBack);
            }
        }
        if let Some(key) = key
            && let Some(total) = key.open(&checkpoint)
        {
            let lines = match checkpoint.epoch > known {
                true => read_lines(tx, known).await?,
                false => HashMap::new(),
            };
            let view = View::new(checkpoint, key, total);
            if let Some(view) = self.follow(view, lines, tx.wrote_ledger()) {
                return Ok(view);
            }
        }
        // The first look of this process, another key, or lines that are not kept any more.
        let view = Self::whole(root_key, tx).await?;
        if !tx.wrote_ledger() {
            self.adopt(&view);
        }
        Ok(view)
    }

    /// Whether a sealed value is what was sealed last for its place.
    ///
    /// # Errors
    /// As [`Ledger::view`].
    pub(super) async fn is_newest(
        &self,
        view: &View,
        root_key: &RootKey,
        tx: &mut Tx,
        (slot, sealed): (&Slot, &[u8]),
    ) -> Result<bool, VaultError> {
        let line = self.line(view, slot);
        let line = match line.filter(|line| line.epoch > view.epoch) {
            None => line,
            // It was written after this transaction began, which has to look for itself.
            Some(_) => Self::whole(root_key, tx).await?.own.get(slot).copied(),
        };
        Ok(line.is_some_and(|line| line.digest == Some(sha256(sealed))))
    }

    /// Whether a look had to read the whole ledger.
    pub(super) const fn was_read_anew(view: &View) -> bool {
        view.is_whole
    }

    /// Whether anything was sealed or deleted in a place after an earlier look.
    pub(super) fn changed_since(&self, view: &View, slot: &Slot, earlier: &View) -> bool {
        self.line(view, slot)
            .is_none_or(|line| line.epoch > earlier.epoch)
    }

    /// The values that should be there and are not among those that are.
    pub(super) fn missing(&self, view: &View, found: &HashSet<Slot>) -> Vec<Slot> {
        let lost = |(slot, line): (&Slot, &Line)| {
            let is_lost =
                line.digest.is_some() && line.epoch <= view.epoch && !found.contains(slot);
            is_lost.then(|| slot.clone())
        };
        if view.is_whole {
            view.own.iter().filter_map(lost).collect()
        } else {
            self.lock().lines.iter().filter_map(lost).collect()
        }
    }

    /// Writes a line, and the checkpoint that it makes.
    ///
    /// # Errors
    /// [`VaultError::LedgerPutBack`] when the term has sealed fewer values than before (T53).
    pub(super) async fn write(
        &self,
        view: View,
        tx: &mut Tx,
        (slot, sealed): (&Slot, Option<&[u8]>),
        term: Option<&KeyTerm>,
    ) -> Result<(), VaultError> {
        let before = self.line(&view, slot);
        if sealed.is_none() && before.is_none_or(|line| line.digest.is_none()) {
            return Ok(());
        }
        let line = Line {
            epoch: view.epoch + 1,
            digest: sealed.map(sha256),
        };
        let mut total = view.total;
        total.sum.replace(&view.key, slot, before, line);
        if let Some(term) = term {
            if (term.term, term.encryptions) <= (total.term, total.encryptions) {
                return Err(VaultError::LedgerPutBack);
            }
            (total.term, total.encryptions) = (term.term, term.encryptions);
        }
        put_line(tx, slot, line).await?;
        put_checkpoint(tx, line.epoch, view.wrapped_key, (&view.key, total)).await
    }

    /// The whole ledger as of a transaction, verified from nothing.
    async fn whole(root_key: &RootKey, tx: &mut Tx) -> Result<View, VaultError> {
        let checkpoint = read_checkpoint(tx).await?;
        let key = LedgerKey::unwrap(root_key, &checkpoint.wrapped_key)?;
        let total = key.open(&checkpoint).ok_or(VaultError::LedgerPutBack)?;
        let lines = read_lines(tx, 0).await?;
        let mut sum = Sum::default();
        for (slot, line) in &lines {
            sum.replace(&key, slot, None, *line);
        }
        if sum != total.sum {
            return Err(VaultError::LedgerPutBack);
        }
        Ok(View {
            own: lines,
            is_whole: true,
            ..View::new(checkpoint, Arc::new(key), total)
        })
    }

    /// Adds lines to what was verified before; none when they do not add up to the checkpoint.
    fn follow(&self, mut view: View, lines: HashMap<Slot, Line>, is_own: bool) -> Option<View> {
        let mut state = self.lock();
        if state.epoch > view.epoch {
            return Some(view);
        }
        // Another transaction may have brought the memory further meanwhile.
        let known = state.epoch;
        let mut sum = state.sum;
        for (slot, line) in lines.iter().filter(|(_, line)| line.epoch > known) {
            sum.replace(&view.key, slot, state.lines.get(slot).copied(), *line);
        }
        if sum != view.total.sum {
            return None;
        }
        if is_own {
            view.own = lines;
        } else {
            state.lines.extend(lines);
            (state.epoch, state.sum) = (view.epoch, sum);
        }
        Some(view)
    }

    fn adopt(&self, view: &View) {
        let mut state = self.lock();
        if view.epoch >= state.epoch {
            *state = State {
                epoch: view.epoch,
                key: Some(Arc::clone(&view.key)),
                sum: view.total.sum,
                lines: view.own.clone(),
            };
        }
    }

    fn line(&self, view: &View, slot: &Slot) -> Option<Line> {
        let own = view.own.get(slot).copied();
        if view.is_whole {
            return own;
        }
        own.or_else(|| self.lock().lines.get(slot).copied())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a ledger anew with the values that there are, under a new key. Its epoch is later than that
/// of the one before, so that no process takes it for the past.
pub(super) async fn begin(
    root_key: &RootKey,
    tx: &mut Tx,
    values: &[(Slot, Vec<u8>)],
    term: &KeyTerm,
) -> Result<(), VaultError> {
    let before = vault_ledger::checkpoint(&mut *tx).await?;
    let epoch = before.map_or(0, |before| before.epoch) + 1;
    let wrapped_key = root_key.wrap_new(PURPOSE)?;
    let key = LedgerKey::unwrap(root_key, &wrapped_key)?;
    let mut total = Total {
        sum: Sum::default(),
        term: term.term,
        encryptions: term.encryptions,
    };
    vault_ledger::clear(tx).await?;
    for (slot, sealed) in values {
        let digest = Some(sha256(sealed));
        let line = Line { epoch, digest };
        total.sum.replace(&key, slot, None, line);
        put_line(tx, slot, line).await?;
    }
    put_checkpoint(tx, epoch, wrapped_key, (&key, total)).await
}

/// Seals the ledger's key with another root key.
pub(super) async fn rewrap(old: &RootKey, new: &RootKey, tx: &mut Tx) -> Result<(), VaultError> {
    let checkpoint = read_checkpoint(tx).await?;
    let wrapped_key = old.rewrap(new, &checkpoint.wrapped_key, PURPOSE);
    let checkpoint = Checkpoint {
        wrapped_key: wrapped_key.ok_or(VaultError::LedgerPutBack)?,
        ..checkpoint
    };
    Ok(vault_ledger::put_checkpoint(tx, &checkpoint).await?)
}

/// Drops lines of values that were deleted long ago.
pub(super) async fn clean(tx: &mut Tx) -> Result<(), VaultError> {
    let checkpoint = read_checkpoint(tx).await?;
    vault_ledger::forget_deleted(tx, checkpoint.epoch - KEPT_EPOCHS).await?;
    Ok(())
}

/// What the ledger's key is sealed for.
const PURPOSE: &[u8] = b"warder vault ledger v1\0";

async fn read_checkpoint(tx: &mut Tx) -> Result<Checkpoint, VaultError> {
    vault_ledger::checkpoint(tx)
        .await?
        .ok_or(VaultError::NoLedger)
}

async fn read_lines(tx: &mut Tx, after: i64) -> Result<HashMap<Slot, Line>, VaultError> {
    let lines = vault_ledger::since(tx, after).await?;
    let read = |line: LedgerLine| {
        let digest = line.digest.map(<[u8; 32]>::try_from).transpose();
        let read = Line {
            epoch: line.epoch,
            digest: digest.map_err(|_| VaultError::LedgerPutBack)?,
        };
        Ok(((line.place, line.row), read))
    };
    lines.into_iter().map(read).collect()
}

async fn put_line(tx: &mut Tx, slot: &Slot, line: Line) -> Result<(), VaultError> {
    let stored = LedgerLine {
        place: slot.0.clone(),
        row: slot.1.clone(),
        digest: line.digest.map(|digest| digest.to_vec()),
        epoch: line.epoch,
    };
    Ok(vault_ledger::put(tx, &stored).await?)
}

async fn put_checkpoint(
    tx: &mut Tx,
    epoch: i64,
    wrapped_key: Vec<u8>,
    (key, total): (&LedgerKey, Total),
) -> Result<(), VaultError> {
    let sealed_sum = key.seal(epoch, total).ok_or(VaultError::Unsealable)?;
    let checkpoint = Checkpoint {
        epoch,
        wrapped_key,
        sealed_sum,
    };
    Ok(vault_ledger::put_checkpoint(tx, &checkpoint).await?)
}

impl View {
    fn new(checkpoint: Checkpoint, key: Arc<LedgerKey>, total: Total) -> Self {
        Self {
            epoch: checkpoint.epoch,
            wrapped_key: checkpoint.wrapped_key,
            key,
            total,
            own: HashMap::new(),
            is_whole: false,
        }
    }
}

impl LedgerKey {
    fn unwrap(root_key: &RootKey, wrapped: &[u8]) -> Result<Self, VaultError> {
        let bytes = root_key.unwrap_bytes(wrapped, PURPOSE);
        let bytes = bytes.ok_or(VaultError::LedgerPutBack)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The term of the sum that stands for a line.
    fn term_of(&self, (place, row): &Slot, epoch: i64, digest: &[u8; 32]) -> Sum {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"line\0");
        for field in [place.as_bytes(), row.as_bytes()] {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field);
        }
        context.update(&epoch.to_be_bytes());
        context.update(digest);
        Sum::read(context.sign().as_ref())
    }

    /// The key that seals the checkpoint of an epoch.
    fn sealing_key(&self, epoch: i64) -> Option<Key> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"checkpoint\0");
        context.update(&(epoch / CHECKPOINTS_PER_KEY).to_be_bytes());
        Key::new(context.sign().as_ref())
    }

    fn seal(&self, epoch: i64, total: Total) -> Option<Vec<u8>> {
        let mut bytes: Vec<u8> = total
            .sum
            .0
            .iter()
            .flat_map(|limb| limb.to_be_bytes())
            .collect();
        bytes.extend(total.term.to_be_bytes());
        bytes.extend(total.encryptions.to_be_bytes());
        self.sealing_key(epoch)?.seal(&bytes, &epoch.to_be_bytes())
    }

    fn open(&self, checkpoint: &Checkpoint) -> Option<Total> {
        let epoch = checkpoint.epoch;
        let key = self.sealing_key(epoch)?;
        let bytes = key.open(&checkpoint.sealed_sum, &epoch.to_be_bytes())?;
        let (sum, counters) = bytes.split_at_checked(32)?;
        let (term, encryptions) = counters.split_first_chunk::<8>()?;
        Some(Total {
            sum: Sum::read(sum),
            term: i64::from_be_bytes(*term),
            encryptions: i64::from_be_bytes(encryptions.try_into().ok()?),
        })
    }
}

impl Sum {
    fn read(bytes: &[u8]) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
            *limb = u64::from_be_bytes(*bytes);
        }
        Self(limbs)
    }

    /// Takes the term of one line out and puts that of another in. Deleted values have none.
    fn replace(&mut self, key: &LedgerKey, slot: &Slot, before: Option<Line>, after: Line) {
        let term = |line: Line| Some(key.term_of(slot, line.epoch, &line.digest?));
        if let Some(term) = before.and_then(term) {
            self.subtract(term);
        }
        if let Some(term) = term(after) {
            self.add(term);
        }
    }

    fn add(&mut self, other: Self) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    fn subtract(&mut self, other: Self) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (difference, first) = limb.overflowing_sub(other);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (difference, first || second);
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sum_does_not_depend_on_the_order_and_forgets_what_is_taken_out(
            mut numbers in proptest::collection::vec(any::<[u64; 4]>(), 1..20),
            seed in any::<usize>(),
        ) {
            let total = |numbers: &[[u64; 4]]| {
                let mut sum = Sum::default();
                numbers.iter().for_each(|number| sum.add(Sum(*number)));
                sum
            };
            let all = total(&numbers);
            let index = seed % numbers.len();
            let taken = numbers.swap_remove(index);
            let mut rest = all;
            rest.subtract(Sum(taken));
            prop_assert!(rest == total(&numbers));
            rest.add(Sum(taken));
            prop_assert!(rest == all);
        }
    }

    #[test]
    fn a_sum_carries_and_wraps() {
        let mut sum = Sum([u64::MAX; 4]);
        sum.add(Sum([1, 0, 0, 0]));
        assert!(sum == Sum::default());
        sum.subtract(Sum([1, 0, 0, 0]));
        assert!(sum == Sum([u64::MAX; 4]));
    }
}
