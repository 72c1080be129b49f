//! How much one pod may ask for (T62): a pod that was taken over, with tokens of callers that it saw, does
//! not empty the vault at the speed of the database.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::state::keyed::HashMapStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::DefaultClock};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// After how many admissions pods that have not asked for a while are forgotten.
const FORGET_EVERY: u32 = 10_000;

/// The limit, counted for each pod by its name. Clones share it.
#[derive(Clone)]
pub struct ResolveLimit(Arc<Inner>);

struct Inner {
    pods: RateLimiter<String, HashMapStateStore<String>, DefaultClock>,
    /// A pod that asks for too much does so thousands of times; a line now and then is enough.
    lines: DefaultDirectRateLimiter,
    refused: Counter,
    admitted: AtomicU32,
}

/// The pod asked for too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pod asks for too many credentials")]
pub struct TooMany;

impl ResolveLimit {
    /// Lets each pod ask `burst` times at once and `rate` times per second in the long run.
    #[must_use]
    pub fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let every_few_seconds = Quota::per_minute(NonZeroU32::MIN.saturating_add(5));
        Self(Arc::new(Inner {
            pods: RateLimiter::hashmap(Quota::per_second(rate).allow_burst(burst)),
            lines: RateLimiter::direct(every_few_seconds),
            refused: Counter::default(),
            admitted: AtomicU32::new(0),
        }))
    }

    /// Makes what is refused readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "resolve_limited",
            "Credentials that were not given out because a pod asked for too many",
            self.0.refused.clone(),
        );
    }

    /// Counts one question of a pod.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn admit(&self, node: &str) -> Result<(), TooMany> {
        let Inner {
            pods,
            lines,
            refused,
            admitted,
        } = &*self.0;
        if admitted.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            pods.retain_recent();
        }
        if pods.check_key(&node.to_owned()).is_ok() {
            return Ok(());
        }
        refused.inc();
        if lines.check().is_ok() {
            tracing::warn!(
                node,
                "security: the pod {node} asks for more credentials than WARDER_RESOLVE_RATE and WARDER_RESOLVE_BURST allow"
            );
        }
        Err(TooMany)
    }
}

impl std::fmt::Debug for ResolveLimit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ResolveLimit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t62_each_pod_has_a_limit_of_its_own() {
        let few = NonZeroU32::new(3).unwrap();
        let limit = ResolveLimit::new(NonZeroU32::MIN, few);
        let admitted = |node: &str| (0..10).filter(|_| limit.admit(node).is_ok()).count();
        assert_eq!(admitted("one"), 3);
        assert_eq!(admitted("two"), 3);
        assert_eq!(limit.0.refused.get(), 14);
    }
}
