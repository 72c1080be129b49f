//! What is measured of the feed.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Measurements of the feed. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct FeedMetrics {
    version: Gauge,
    watchers: Gauge,
    failures: Counter,
}

/// Counts a watcher for as long as it is there.
#[derive(Debug)]
pub(super) struct WatcherCount(Gauge);

impl FeedMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "snapshot_version",
            "Version of the state that pods are told",
            self.version.clone(),
        );
        registry.register(
            "snapshot_watchers",
            "Pods that follow the state",
            self.watchers.clone(),
        );
        registry.register(
            "snapshot_refresh_failures",
            "Times that the state could not be read from the database",
            self.failures.clone(),
        );
    }

    pub(super) fn set_version(&self, version: i64) {
        self.version.set(version);
    }

    pub(super) fn count_failure(&self) {
        self.failures.inc();
    }

    pub(super) fn count_watcher(&self) -> WatcherCount {
        self.watchers.inc();
        WatcherCount(self.watchers.clone())
    }
}

impl Drop for WatcherCount {
    fn drop(&mut self) {
        self.0.dec();
    }
}
