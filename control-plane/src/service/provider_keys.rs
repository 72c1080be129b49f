//! The keys of identity providers: read on a schedule by whichever replica is first, at once when a provider is
//! configured, and now and then when a token names one that is not there (T7).
//!
//! **Invariant:** keys that could be read stay until others can, or until they are too old to be trusted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;
use tokio::sync::Mutex;
use warder_shared::egress::{EgressRules, RootsError};
use warder_shared::id::IdentityProviderId;

use crate::domain::{IdentityProvider, ProviderKeys};
use crate::store::{Result, Store, StoreError, identity_provider_keys, identity_providers};
use crate::upstream::Reader;
use crate::upstream::provider::{self, Published};

/// How often keys are read, where the provider does not ask for less.
const INTERVAL: TimeDelta = TimeDelta::minutes(10);

/// However short a provider lets keys be kept, they are not read more often.
const SHORTEST: TimeDelta = TimeDelta::minutes(1);

/// How soon it is tried again when they could not be read.
const RETRY: TimeDelta = TimeDelta::minutes(1);

/// For how long keys are trusted that cannot be read again.
const STALE: TimeDelta = TimeDelta::hours(24);

/// How often a provider is asked for a key that is not there, whoever wants it and however many they are.
const ON_DEMAND: TimeDelta = TimeDelta::seconds(30);

/// For how long a replica that took the turn to read has it for itself.
const TURN: TimeDelta = TimeDelta::seconds(30);

/// How often, and how many times, it is looked whether another replica has found a key: three seconds in all, and a pod
/// waits five.
const WAIT: Duration = Duration::from_millis(100);
const WAITS: u32 = 30;

/// Most keys that are remembered as not there.
const UNKNOWN: u64 = 10_000;

/// Reads the keys of providers. Clones share everything.
#[derive(Clone)]
pub struct KeyReader(Arc<Inner>);

struct Inner {
    store: Store,
    reader: Reader,
    /// Held while a key of a provider is looked for.
    turns: Cache<IdentityProviderId, Arc<Mutex<()>>>,
    /// Keys that a provider was asked for and does not have.
    unknown: Cache<(IdentityProviderId, String), ()>,
}

/// What became of looking for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// It is there.
    Found,
    /// The provider was asked since, and has no such key.
    Unknown,
    /// The provider was asked too short a time ago; ask again after this.
    RetryAfter(Duration),
}

impl KeyReader {
    /// A reader of providers that dials what the rules permit.
    ///
    /// # Errors
    /// When there are no roots to trust.
    pub fn new(store: Store, egress: EgressRules) -> Result<Self, RootsError> {
        let lifetime = ON_DEMAND.to_std().unwrap_or_default();
        Ok(Self(Arc::new(Inner {
            store,
            reader: Reader::new(egress)?,
            turns: Cache::new(UNKNOWN),
            unknown: Cache::builder()
                .max_capacity(UNKNOWN)
                .time_to_live(lifetime)
                .build(),
        })))
    }

    /// Reads the keys of every provider for which that is due and which no other replica reads.
    ///
    /// # Errors
    /// When the database fails; what a provider does is in its state.
    pub async fn read_due(&self) -> Result<()> {
        let store = &self.0.store;
        for id in identity_provider_keys::due(store, store.clock().now()).await? {
            let mut tx = store.begin().await?;
            let until = tx.now() + TURN;
            let ours = match identity_provider_keys::claim(&mut tx, id, until).await {
                // Deleted meanwhile.
                Err(StoreError::MissingReference) => continue,
                other => other?,
            };
            tx.commit().await?;
            if ours {
                self.read(id).await?;
            }
        }
        Ok(())
    }

    /// Reads the keys of a provider now.
    ///
    /// # Errors
    /// When the database fails; what the provider does is in its state.
    pub async fn read(&self, id: IdentityProviderId) -> Result<()> {
        let store = &self.0.store;
        let Some(provider) = identity_providers::find(store, id).await? else {
            return Ok(());
        };
        let configuration = &provider.configuration;
        let jwks_uri = configuration.jwks_uri.as_ref();
        let published = provider::read(&self.0.reader, &provider.issuer, jwks_uri).await;
        let mut tx = store.begin().await?;
        // What was read is of the provider as it was. If that has changed, somebody reads again.
        let current = identity_providers::find(&mut tx, id).await?;
        if !current.is_some_and(|current| is_same(&current, &provider)) {
            return Ok(());
        }
        let before = identity_provider_keys::find(&mut tx, id).await?;
        let (keys, due_at) = outcome(&provider, before, published, tx.now());
        identity_provider_keys::put(&mut tx, &keys, due_at).await?;
        tx.commit().await
    }

    /// Looks for a key that a token names; none when there is no such provider. The provider is asked at most once
    /// every half a minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh(&self, id: IdentityProviderId, kid: &str) -> Result<Option<Refreshed>> {
        let inner = &*self.0;
        let key = (id, kid.to_owned());
        let turn = inner.turns.get_with(id, async { Arc::default() }).await;
        let _one_at_a_time = turn.lock().await;
        if identity_providers::find(&inner.store, id).await?.is_none() {
            return Ok(None);
        }
        if self.has(id, kid).await? {
            return Ok(Some(Refreshed::Found));
        }
        if inner.unknown.contains_key(&key) {
            return Ok(Some(Refreshed::Unknown));
        }
        let now = inner.store.clock().now();
        let asked = identity_provider_keys::asked_at(&inner.store, id).await?;
        // Those who come too early do not get in the way of whoever writes.
        if asked.is_some_and(|asked| asked > now - ON_DEMAND) || !self.ask(id).await? {
            let asked = identity_provider_keys::asked_at(&inner.store, id).await?;
            if self.is_being_found(id, kid, asked).await? {
                return Ok(Some(Refreshed::Found));
            }
            let wait = asked.map_or(ON_DEMAND, |asked| asked + ON_DEMAND - now);
            let wait = wait.max(TimeDelta::seconds(1)).to_std().unwrap_or_default();
            return Ok(Some(Refreshed::RetryAfter(wait)));
        }
        self.read(id).await?;
        if self.has(id, kid).await? {
            return Ok(Some(Refreshed::Found));
        }
        let read = identity_provider_keys::find(&inner.store, id).await?;
        if read.is_none_or(|keys| keys.error.is_some()) {
            // It may be there: the provider could not be asked.
            let wait = ON_DEMAND.to_std().unwrap_or_default();
            return Ok(Some(Refreshed::RetryAfter(wait)));
        }
        inner.unknown.insert(key, ()).await;
        Ok(Some(Refreshed::Unknown))
    }

    /// Takes the one turn of half a minute to ask a provider; whether it was free.
    async fn ask(&self, id: IdentityProviderId) -> Result<bool> {
        let mut tx = self.0.store.begin().await?;
        let since = tx.now() - ON_DEMAND;
        let won = identity_provider_keys::ask(&mut tx, id, since).await?;
        tx.commit().await?;
        Ok(won)
    }

    /// Waits for a replica that is asking a provider, if one is; whether it found the key.
    async fn is_being_found(
        &self,
        id: IdentityProviderId,
        kid: &str,
        asked: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        for _ in 0..WAITS {
            let keys = identity_provider_keys::find(&self.0.store, id).await?;
            if keys.as_ref().is_some_and(|keys| keys.has(kid)) {
                return Ok(true);
            }
            if keys.is_none_or(|keys| keys.checked_at >= asked) {
                break;
            }
            tokio::time::sleep(WAIT).await;
        }
        Ok(false)
    }

    async fn has(&self, id: IdentityProviderId, kid: &str) -> Result<bool> {
        let keys = identity_provider_keys::find(&self.0.store, id).await?;
        Ok(keys.is_some_and(|keys| keys.has(kid)))
    }
}

/// Whether its keys are the same provider's at the same place.
fn is_same(one: &IdentityProvider, other: &IdentityProvider) -> bool {
    one.issuer == other.issuer && one.configuration.jwks_uri == other.configuration.jwks_uri
}

/// What is known after an attempt, and when the next one is due.
fn outcome(
    provider: &IdentityProvider,
    before: Option<ProviderKeys>,
    published: Published,
    now: DateTime<Utc>,
) -> (ProviderKeys, DateTime<Utc>) {
    let mut state = before.unwrap_or(ProviderKeys {
        provider: provider.id,
        metadata: None,
        jwks_uri: None,
        jwks: None,
        fetched_at: None,
        checked_at: None,
        error: None,
    });
    state.checked_at = Some(now);
    // Where the keys have a place of their own, metadata is needed for signing in only.
    let needed = provider.configuration.jwks_uri.is_none() || provider.sign_in().is_some();
    state.error = match published.metadata {
        Ok(metadata) => {
            state.metadata = Some(metadata);
            None
        }
        Err(error) => needed.then(|| error.to_string()),
    };
    let due = match published.keys {
        Ok(found) => {
            state.jwks_uri = Some(found.jwks_uri);
            state.jwks = serde_json::from_slice(found.keys.to_json()).ok();
            state.fetched_at = Some(now);
            let kept = found.max_age.and_then(|age| TimeDelta::from_std(age).ok());
            kept.map_or(INTERVAL, |kept| kept.clamp(SHORTEST, INTERVAL))
        }
        Err(error) => {
            tracing::warn!(
                identity_provider = %provider.name,
                "the keys of the identity provider {} cannot be read: {error}", provider.name,
            );
            state.error = Some(error.to_string());
            if state.fetched_at.is_none_or(|fetched| fetched + STALE < now) {
                state.jwks = None;
            }
            RETRY
        }
    };
    (state, now + jittered(due, now))
}

/// A tenth sooner at most, so that replicas and providers do not keep step.
fn jittered(due: TimeDelta, now: DateTime<Utc>) -> TimeDelta {
    let part = i32::try_from(now.timestamp_subsec_micros() % 100).unwrap_or(0);
    due - due * part / 1000
}

impl fmt::Debug for KeyReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyReader")
    }
}
