//! Credentials, kept for as long as they are right.
//!
//! The key says everything that a credential depends on (T32): who, which server in which revision, and how often the
//! control plane has said that this caller's credential changed. Bumping that count makes what was
//! stored unreachable, also what a fetch under way is about to store.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use http::StatusCode;
use moka::{Expiry, future::Cache};
use warder_shared::{id::ServerId, principal::Principal, snapshot::Server};

use super::{Pair, control_plane::Vault};
use crate::{authenticate::Identity, error::Rejection, metrics::Metrics};

/// What is stored for a caller and a server.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The auth layer.
    pub(super) auth: Vec<Pair>,
    /// The lowest layer.
    pub(super) additional: Vec<Pair>,
    /// What the caller has to enter first.
    pub(super) missing: Vec<String>,
    /// How long it may be used; `None`: until told otherwise.
    pub(super) lifetime: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    principal: Principal,
    server: ServerId,
    revision: u64,
    generation: u64,
}

/// Tells whether a credential that was taken is still the right one.
pub(crate) struct Stamp {
    generations: Arc<ArcSwap<Generations>>,
    server: ServerId,
    principal: Principal,
    generation: u64,
}

impl Stamp {
    /// Whether nothing has been said against it since.
    pub(crate) fn is_current(&self) -> bool {
        self.generations.load().of(self.server, self.principal) == self.generation
    }
}

/// Credentials by caller and server.
pub(crate) struct Credentials {
    vault: Vault,
    cache: Cache<Key, Arc<Stored>, RandomState>,
    generations: Arc<ArcSwap<Generations>>,
    metrics: Metrics,
}

#[derive(Debug, Default, Clone)]
struct Generations {
    /// Counts what concerned everyone.
    all: u64,
    /// Counts what concerned one caller, or all callers, of one server.
    some: HashMap<(ServerId, Option<Principal>), u64>,
}

impl Generations {
    fn of(&self, server: ServerId, principal: Principal) -> u64 {
        if self.some.is_empty() {
            return self.all;
        }
        let count = |who| self.some.get(&(server, who)).copied().unwrap_or(0);
        // Each of the three only grows, so their sum names a state that never comes back.
        self.all + count(None) + count(Some(principal))
    }
}

/// Most credentials kept.
const CAPACITY: u64 = 100_000;

/// Most callers whose changes are counted one by one.
const MAX_COUNTED: usize = 10_000;

/// How long "a value is missing" is believed; a push corrects it sooner.
const MISSING_LIFETIME: Duration = Duration::from_secs(5);

/// How long a credential that never expires is kept at most without being asked for again.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

struct Lifetime;

impl Expiry<Key, Arc<Stored>> for Lifetime {
    fn expire_after_create(&self, _: &Key, stored: &Arc<Stored>, _: Instant) -> Option<Duration> {
        let longest = if stored.missing.is_empty() {
            MAX_LIFETIME
        } else {
            MISSING_LIFETIME
        };
        Some(
            stored
                .lifetime
                .map_or(longest, |lifetime| lifetime.min(longest)),
        )
    }
}

impl Credentials {
    /// Nothing is stored yet.
    pub(crate) fn new(vault: Vault, metrics: Metrics) -> Self {
        let cache = Cache::builder()
            .max_capacity(CAPACITY)
            .expire_after(Lifetime)
            .build_with_hasher(RandomState::default());
        Self {
            vault,
            cache,
            generations: Arc::default(),
            metrics,
        }
    }

    /// What is stored for the caller: from here, or from the control plane, asked once however
    /// many ask here. What changes while it is fetched is fetched again.
    pub(super) async fn get(
        &self,
        identity: &Identity,
        server: &Server,
    ) -> Result<(Arc<Stored>, Stamp), Rejection> {
        until_current(|| async {
            let stamp = self.stamp(server.id, identity.caller.principal);
            let key = Key {
                principal: stamp.principal,
                server: server.id,
                revision: server.revision,
                generation: stamp.generation,
            };
            if let Some(stored) = self.cache.get(&key).await {
                self.metrics.credential_hits.inc();
                return Ok((stored, stamp));
            }
            self.metrics.credential_misses.inc();
            let fetch = || async { self.vault.fetch(identity, server).await.map(Arc::new) };
            Ok((once(&self.cache, key, fetch).await?, stamp))
        })
        .await
    }

    fn stamp(&self, server: ServerId, principal: Principal) -> Stamp {
        let generation = self.generations.load().of(server, principal);
        Stamp {
            generations: self.generations.clone(),
            server,
            principal,
            generation,
        }
    }

    /// What is stored for a caller (or for everyone) of a server is stale.
    pub(crate) fn invalidate(&self, server: ServerId, principal: Option<Principal>) {
        self.generations.rcu(|generations| {
            let mut next = Generations::clone(generations);
            if next.some.len() >= MAX_COUNTED {
                // Never fewer than any sum was.
                let highest = next.some.values().max().copied().unwrap_or(0);
                next = Generations {
                    all: next.all + 2 * highest + 1,
                    some: HashMap::new(),
                };
            } else {
                *next.some.entry((server, principal)).or_default() += 1;
            }
            next
        });
    }

    /// Everything stored is stale: changes may have been missed.
    pub(crate) fn invalidate_all(&self) {
        self.generations.rcu(|generations| Generations {
            all: generations.all + 1,
            some: generations.some.clone(),
        });
        self.cache.invalidate_all();
    }
}

/// How often something is fetched that keeps changing meanwhile. After that the caller hears that it changes.
const MAX_FETCHES: usize = 5;

async fn until_current<T, F>(fetch: impl Fn() -> F) -> Result<(T, Stamp), Rejection>
where
    F: Future<Output = Result<(T, Stamp), Rejection>>,
{
    for _ in 1..MAX_FETCHES {
        let (fetched, stamp) = fetch().await?;
        if stamp.is_current() {
            return Ok((fetched, stamp));
        }
    }
    fetch().await
}

/// Fetches what is not in the cache, once however many wait for it. They share an outcome, but for one: that a token is
/// refused. The others of the same caller's tokens may be good.
async fn once<F>(
    cache: &Cache<Key, Arc<Stored>, RandomState>,
    key: Key,
    fetch: impl Fn() -> F,
) -> Result<Arc<Stored>, Rejection>
where
    F: Future<Output = Result<Arc<Stored>, Rejection>>,
{
    let own = AtomicBool::new(false);
    let first = async {
        own.store(true, Ordering::Relaxed);
        fetch().await
    };
    match cache.try_get_with(key.clone(), first).await {
        Ok(stored) => Ok(stored),
        Err(refusal)
            if refusal.status() == StatusCode::UNAUTHORIZED && !own.load(Ordering::Relaxed) =>
        {
            let stored = fetch().await?;
            cache.insert(key, stored.clone()).await;
            Ok(stored)
        }
        Err(refusal) => Err(Rejection::clone(&refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Notify;
    use warder_shared::id::UserId;

    fn user(number: u8) -> Principal {
        Principal::User(UserId::from_uuid(uuid::Uuid::from_u128(number.into())))
    }

    fn server(number: u8) -> ServerId {
        ServerId::from_uuid(uuid::Uuid::from_u128(number.into()))
    }

    proptest! {
        #[test]
        fn t32_a_generation_never_comes_back_after_an_invalidation(steps in prop::collection::vec((0u8..3, 0u8..3, any::<bool>()), 1..40)) {
            let mut generations = Generations::default();
            for (who, which, everyone) in steps {
                let before = generations.of(server(which), user(who));
                *generations.some.entry((server(which), (!everyone).then(|| user(who)))).or_default() += 1;
                prop_assert!(generations.of(server(which), user(who)) > before);
            }
        }
    }

    fn stored() -> Arc<Stored> {
        Arc::new(Stored {
            auth: Vec::new(),
            additional: Vec::new(),
            missing: Vec::new(),
            lifetime: None,
        })
    }

    #[tokio::test]
    async fn t32_what_changes_while_it_is_fetched_is_fetched_again() {
        let generations = Arc::new(ArcSwap::from_pointee(Generations::default()));
        let fetches = AtomicUsize::new(0);
        let changing = async |times: usize| {
            fetches.store(0, Ordering::Relaxed);
            let fetch = || async {
                let stamp = Stamp {
                    generations: generations.clone(),
                    server: server(1),
                    principal: user(1),
                    generation: generations.load().of(server(1), user(1)),
                };
                if fetches.fetch_add(1, Ordering::Relaxed) < times {
                    generations.rcu(|generations| Generations {
                        all: generations.all + 1,
                        some: HashMap::new(),
                    });
                }
                Ok(((), stamp))
            };
            let ((), stamp) = until_current(fetch).await.expect("fetched");
            (stamp.is_current(), fetches.load(Ordering::Relaxed))
        };
        assert_eq!(changing(0).await, (true, 1));
        assert_eq!(changing(1).await, (true, 2));
        assert_eq!(changing(4).await, (true, 5));
        assert_eq!(changing(99).await, (false, MAX_FETCHES), "and not for ever");
    }

    #[tokio::test]
    async fn t62_a_refused_token_refuses_no_other_one() {
        let cache = Cache::builder().build_with_hasher(RandomState::default());
        for (generation, refusal, shared) in [
            (0, Rejection::unauthorized(true, "refused"), false),
            (1, Rejection::not_found(), true),
        ] {
            let key = Key {
                principal: user(1),
                server: server(1),
                revision: 1,
                generation,
            };
            let (asked, release) = (Notify::new(), Notify::new());
            let refused = once(&cache, key.clone(), || async {
                asked.notify_one();
                release.notified().await;
                Err(refusal.clone())
            });
            let waiting = async {
                asked.notified().await;
                let waits = once(&cache, key.clone(), || async { Ok(stored()) });
                let wake = async {
                    // The other one waits by now: it was polled first.
                    release.notify_one();
                };
                tokio::join!(biased; waits, wake).0
            };
            let (refused, waited) = tokio::join!(refused, waiting);
            assert!(refused.is_err());
            assert_eq!(waited.is_err(), shared);
        }
    }
}
