//! What the operator does with the vault: changing its keys, and accepting a restored backup.

use crate::{
    authorize::{Operator, Permit},
    domain::{AuditEvent, ObjectKind},
    store::{Store, Tx, audit_events},
    vault::{RootKey, Vault, VaultError},
};

/// Wraps every key of the vault with another root key; how many terms.
///
/// # Errors
/// [`VaultError::WrongRootKey`] when `old` is not the database's root key.
pub async fn rotate_root_key(
    store: &Store,
    permit: &Permit<Operator>,
    old: &RootKey,
    new: &RootKey,
) -> Result<usize, VaultError> {
    let mut tx = store.begin().await?;
    let terms = Vault::rotate_root_key(&mut tx, old, new).await?;
    let detail = serde_json::json!({ "terms": terms });
    audit(&mut tx, permit, "vault.rotate_root_key", detail).await?;
    tx.commit().await?;
    Ok(terms)
}

/// Seals every value with a new key and destroys the old ones; how many values. Control planes that run
/// meanwhile seal with the new key from the first moment and open both.
///
/// # Errors
/// When a value does not open: then the old keys stay.
pub async fn rotate_sealing_key(
    store: &Store,
    vault: &Vault,
    permit: &Permit<Operator>,
) -> Result<usize, VaultError> {
    let mut tx = store.begin().await?;
    let term = vault.begin_term(&mut tx).await?;
    let detail = serde_json::json!({ "term": term });
    audit(&mut tx, permit, "vault.begin_term", detail).await?;
    tx.commit().await?;
    let values = vault.seal_anew(term).await?;
    let mut tx = store.begin().await?;
    let destroyed = vault.destroy_terms_before(&mut tx, term).await?;
    let detail = serde_json::json!({ "term": term, "values": values, "destroyed": destroyed });
    audit(&mut tx, permit, "vault.destroy_terms", detail).await?;
    tx.commit().await?;
    Ok(values)
}

/// Takes every sealed value for the newest, as after a backup was restored on purpose; how many.
///
/// # Errors
/// [`VaultError::WrongRootKey`] when the root key is not the database's.
pub async fn accept_restore(
    store: &Store,
    permit: &Permit<Operator>,
    root_key: &RootKey,
) -> Result<usize, VaultError> {
    let mut tx = store.begin().await?;
    let values = Vault::accept_restore(&mut tx, root_key).await?;
    let detail = serde_json::json!({ "values": values });
    audit(&mut tx, permit, "vault.accept_restore", detail).await?;
    tx.commit().await?;
    Ok(values)
}

async fn audit(
    tx: &mut Tx,
    permit: &Permit<Operator>,
    action: &str,
    detail: serde_json::Value,
) -> Result<(), VaultError> {
    let record = permit.record(tx.clock(), action, ObjectKind::Vault, "vault");
    audit_events::insert(tx, &AuditEvent { detail, ..record }).await?;
    Ok(())
}
