//! The keys of the control plane: one set signs tokens, the other seals the session ids that pods hand
//! to clients.
//!
//! A key is published when it is made and used a while later, so that every verifier knows it by then.
//! The key that it replaces is kept for as long as anything made with it may still be good. Each step is
//! a row in the database, made by whichever replica is first and heard of by all of them.
//!
//! **Invariant:** private halves and session keys leave the vault only into the memory of this process,
//! and session keys to authenticated pods.

mod plan;
mod signer;
mod failure;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Duration, Utc};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use warder_shared::clock::Clock;
use warder_shared::proto::v1;
use warder_shared::token::{Claims, KeySet, TokenError};

pub use failure::KeyFailure;

use self::plan::{Life, Step};
use self::signer::{NewKey, Signer};
use super::tokens::MAX_LIFETIME;
use crate::domain::{
    Actor, AuditEvent, AuditSource, ObjectKind, Outcome, SessionKeyRecord, SigningKeyRecord,
};
use crate::store::{Store, Tx, audit_events, session_keys, signing_keys};
use crate::vault::{Binding, Vault};

/// How long a key is published before it is used: twice what readers of the JWKS may cache.
const PUBLISH_LEAD: Duration = Duration::minutes(10);

/// How long a session key opens after it was replaced. A session id that is older has to be made anew.
const SESSION_KEY_OVERLAP: Duration = Duration::days(30);

/// What a replica that has not heard of a new key yet may still sign with the old one.
const RETIREMENT_MARGIN: Duration = Duration::hours(1);

/// Who signs, for whom, and how often the keys change.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// `iss` of every token: the control plane's public URL.
    pub issuer: String,
    /// `aud` of every gateway token: the gateway's URL.
    pub audience: String,
    /// How long a key is used.
    pub rotation: Duration,
}

/// The keys, as of the last [`Keys::reload`]. Clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    settings: KeySettings,
    loaded: RwLock<Arc<Loaded>>,
}

#[derive(Default)]
struct Loaded {
    records: Vec<SigningKeyRecord>,
    /// Of every key that was not retired, oldest first.
    signers: Vec<(DateTime<Utc>, Signer)>,
    verifying: KeySet,
}

impl Keys {
    /// Loads the keys, and makes the first ones of a new database.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn open(
        store: Store,
        vault: Vault,
        settings: KeySettings,
    ) -> Result<Self, KeyFailure> {
        let loaded = RwLock::default();
        let keys = Self(Arc::new(Inner {
            store,
            vault,
            settings,
            loaded,
        }));
        keys.maintain().await?;
        keys.reload().await?;
        Ok(keys)
    }

    /// `iss` of every token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.settings.issuer
    }

    /// `aud` of every gateway token.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.0.settings.audience
    }

    /// The clock that tokens are dated and judged by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.0.store.clock()
    }

    /// Signs claims as a JWT (RFC 7519) with this `typ`, using the key that is in use now.
    ///
    /// # Errors
    /// [`KeyFailure::NoKey`] when none is.
    pub fn sign<C: Serialize>(&self, typ: &str, claims: &C) -> Result<SecretString, KeyFailure> {
        let now = self.clock().now();
        let loaded = self.loaded();
        let newest = loaded
            .signers
            .iter()
            .rev()
            .find(|(active_from, _)| *active_from <= now);
        let (_, signer) = newest.ok_or(KeyFailure::NoKey)?;
        signer.sign(typ, claims)
    }

    /// Verifies a gateway token as a pod would: by its signature, header and claims. Whether it was
    /// revoked or its owner disabled is not looked at.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let now = self.clock().now();
        self.loaded()
            .verifying
            .verify(token, self.issuer(), self.audience(), now)
    }

    /// Verifies signature and header of any token of ours and reads its claims, unchecked.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify_signed<C: DeserializeOwned>(
        &self,
        token: &str,
        typ: &str,
    ) -> Result<C, TokenError> {
        self.loaded().verifying.verify_signed(token, typ)
    }

    /// The public keys as a JWK set (RFC 7517), those that are not used yet among them.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self.loaded().records.iter().map(signer::jwk).collect();
        serde_json::json!({ "keys": keys })
    }

    /// Reads the keys again, after another replica changed them.
    ///
    /// # Errors
    /// When the database or the vault fails; the keys stay as they were.
    pub async fn reload(&self) -> Result<(), KeyFailure> {
        let mut tx = self.0.store.begin_read().await?;
        let records = signing_keys::list(&mut tx).await?;
        let mut signers = Vec::new();
        for record in records.iter().filter(|record| record.retired_at.is_none()) {
            let sealed = signing_keys::sealed_private_key(&mut tx, &record.kid).await?;
            let sealed = sealed.ok_or(KeyFailure::NoKey)?;
            let document = self
                .0
                .vault
                .open_value(&mut tx, &Binding::signing_key(&record.kid), &sealed)
                .await?;
            signers.push((
                record.active_from,
                Signer::new(record.kid.clone(), &document),
            ));
        }
        let verifying = KeySet::from_ed25519(
            records
                .iter()
                .map(|record| (record.kid.as_str(), record.public_key.as_slice())),
        );
        let loaded = Arc::new(Loaded {
            records,
            signers,
            verifying,
        });
        *self
            .0
            .loaded
            .write()
            .unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Does what is due: makes, retires and drops keys. Cheap when nothing is.
    ///
    /// # Errors
    /// When the database or the vault fails; it is done again at the next call.
    pub async fn maintain(&self) -> Result<(), KeyFailure> {
        let mut tx = self.0.store.begin_read().await?;
        let due = self.is_due(&mut tx).await?;
        drop(tx);
        if !due {
            return Ok(());
        }
        // Another replica may be doing the same: what is due is asked again, one after the other.
        let mut tx = self.0.store.begin().await?;
        self.maintain_signing_keys(&mut tx).await?;
        self.maintain_session_keys(&mut tx).await?;
        self.0.vault.settle(&mut tx).await?;
        tx.commit().await?;
        self.reload().await
    }

    /// The message that tells pods of the keys, as of a transaction.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn message(&self, tx: &mut Tx) -> Result<v1::KeySet, KeyFailure> {
        let now = tx.now();
        let verifying_keys = signing_keys::list(&mut *tx)
            .await?
            .into_iter()
            .map(|record| v1::VerifyingKey {
                kid: record.kid,
                ed25519: record.public_key,
            });
        let mut stored = session_keys::list(&mut *tx).await?;
        // The one that seals comes first; then those still to come and those of the past.
        stored.sort_by_key(|key| {
            let seals = key.record.retired_at.is_none() && key.record.active_from <= now;
            std::cmp::Reverse((seals, key.record.created_at))
        });
        let mut session_keys = Vec::new();
        for key in stored {
            let binding = Binding::session_key(&key.record.id);
            let bytes = self
                .0
                .vault
                .open_value(tx, &binding, &key.sealed_key)
                .await?;
            session_keys.push(v1::SessionKey {
                id: key.record.id,
                key: bytes.to_vec(),
            });
        }
        Ok(v1::KeySet {
            issuer: self.issuer().to_owned(),
            audience: self.audience().to_owned(),
            verifying_keys: verifying_keys.collect(),
            session_keys,
        })
    }

    async fn is_due(&self, tx: &mut Tx) -> Result<bool, KeyFailure> {
        let now = tx.now();
        let signing = signing_keys::list(&mut *tx).await?;
        let session = session_keys::list(&mut *tx).await?;
        let forgotten =
            |record: &SigningKeyRecord| record.verify_until.is_some_and(|end| end < now);
        let outlived = |record: &SessionKeyRecord| {
            record
                .retired_at
                .is_some_and(|end| end + SESSION_KEY_OVERLAP < now)
        };
        Ok(!self.plan(signing.iter().map(Life::from), now).is_empty()
            || !self
                .plan(session.iter().map(|key| Life::from(&key.record)), now)
                .is_empty()
            || signing.iter().any(forgotten)
            || session.iter().any(|key| outlived(&key.record)))
    }

    fn plan<'a>(&self, lives: impl Iterator<Item = Life<'a>>, now: DateTime<Utc>) -> Vec<Step> {
        plan::plan(
            &lives.collect::<Vec<_>>(),
            now,
            self.0.settings.rotation,
            PUBLISH_LEAD,
        )
    }

    async fn maintain_signing_keys(&self, tx: &mut Tx) -> Result<(), KeyFailure> {
        let now = tx.now();
        let records = signing_keys::list(&mut *tx).await?;
        for step in self.plan(records.iter().map(Life::from), now) {
            let (action, kid) = match step {
                Step::Make { active_from } => {
                    let key = NewKey::generate()?;
                    let binding = Binding::signing_key(&key.kid);
                    let sealed = self.0.vault.seal(tx, &binding, &key.document).await?;
                    let record = key.record(now, active_from);
                    signing_keys::insert(tx, &record, &sealed).await?;
                    ("signing_key.create", record.kid)
                }
                Step::Retire { id } => {
                    let verify_until = now + MAX_LIFETIME + RETIREMENT_MARGIN;
                    signing_keys::retire(tx, &id, now, verify_until).await?;
                    ("signing_key.retire", id)
                }
            };
            audit(tx, action, ObjectKind::SigningKey, kid).await?;
        }
        signing_keys::delete_expired(tx, now).await?;
        Ok(())
    }

    async fn maintain_session_keys(&self, tx: &mut Tx) -> Result<(), KeyFailure> {
        let now = tx.now();
        let stored = session_keys::list(&mut *tx).await?;
        for step in self.plan(stored.iter().map(|key| Life::from(&key.record)), now) {
            let (action, id) = match step {
                Step::Make { active_from } => {
                    let (id, bytes) = signer::new_session_key()?;
                    let sealed = self
                        .0
                        .vault
                        .seal(tx, &Binding::session_key(&id), &bytes)
                        .await?;
                    let retired_at = None;
                    let record = SessionKeyRecord {
                        id,
                        created_at: now,
                        active_from,
                        retired_at,
                    };
                    session_keys::insert(tx, &record, &sealed).await?;
                    ("session_key.create", record.id)
                }
                Step::Retire { id } => {
                    session_keys::retire(tx, &id, now).await?;
                    ("session_key.retire", id)
                }
            };
            audit(tx, action, ObjectKind::SessionKey, id).await?;
        }
        session_keys::delete_retired(tx, now - SESSION_KEY_OVERLAP).await?;
        Ok(())
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.0.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Keys")
            .field(&self.0.settings)
            .finish()
    }
}

async fn audit(
    tx: &mut Tx,
    action: &str,
    kind: ObjectKind,
    name: String,
) -> Result<(), KeyFailure> {
    let event = AuditEvent {
        id: warder_shared::id::EventId::new(tx.clock()),
        at: tx.now(),
        source: AuditSource::ControlPlane,
        actor: Actor::system(),
        action: action.to_owned(),
        object_kind: Some(kind),
        object_name: Some(name),
        server: None,
        tool: None,
        outcome: Outcome::Allowed,
        reason: None,
        request_id: None,
        node: None,
        detail: serde_json::json!({}),
    };
    audit_events::insert(tx, &event).await?;
    Ok(())
}
