//! What a pod counts. Labels come from closed sets and registered names, never from callers' text.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Labels of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CallLabels {
    /// Name of the server; empty when the call reached none.
    pub(crate) server: Arc<str>,
    /// Method of MCP or HTTP, or empty.
    pub(crate) method: &'static str,
    /// `allowed`, `denied` or `failed`.
    pub(crate) outcome: &'static str,
}

/// Labels of a duration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct MethodLabel {
    /// Method of MCP or HTTP, or empty.
    pub(crate) method: &'static str,
}

/// The pod's metrics; a clone counts into the same numbers.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) calls: Family<CallLabels, Counter>,
    pub(crate) duration: Family<MethodLabel, Histogram>,
    pub(crate) credential_hits: Counter,
    pub(crate) credential_misses: Counter,
    pub(crate) open_streams: Gauge,
    pub(crate) streams_revoked: Counter,
    pub(crate) audit_dropped: Counter,
    pub(crate) connected: Gauge,
    pub(crate) snapshot_version: Gauge,
    pub(crate) last_contact: Gauge,
    pub(crate) clock_skew: Gauge<f64, std::sync::atomic::AtomicU64>,
}

/// From 100 µs to about 52 s.
fn duration_histogram() -> Histogram {
    Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(
        0.0001, 2.0, 20,
    ))
}

impl Metrics {
    /// Metrics, and the registry that shows them.
    pub(crate) fn new() -> (Self, Registry) {
        let metrics = Self {
            calls: Family::default(),
            duration: Family::new_with_constructor(duration_histogram),
            credential_hits: Counter::default(),
            credential_misses: Counter::default(),
            open_streams: Gauge::default(),
            streams_revoked: Counter::default(),
            audit_dropped: Counter::default(),
            connected: Gauge::default(),
            snapshot_version: Gauge::default(),
            last_contact: Gauge::default(),
            clock_skew: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("warder_gateway");
        registry.register("calls", "Calls answered", metrics.calls.clone());
        registry.register_with_unit(
            "call_duration",
            "From a request's head to the end of its answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "credential_cache_hits",
            "Credentials found in the pod's cache",
            metrics.credential_hits.clone(),
        );
        registry.register(
            "credential_cache_misses",
            "Credentials asked of the control plane",
            metrics.credential_misses.clone(),
        );
        registry.register(
            "open_streams",
            "Event streams open right now",
            metrics.open_streams.clone(),
        );
        registry.register(
            "streams_revoked",
            "Event streams ended because what allowed them was withdrawn",
            metrics.streams_revoked.clone(),
        );
        registry.register(
            "audit_events_dropped",
            "Audit events lost because the queue was full",
            metrics.audit_dropped.clone(),
        );
        registry.register(
            "control_plane_connected",
            "1 while the snapshot stream is open",
            metrics.connected.clone(),
        );
        registry.register(
            "snapshot_version",
            "Version of the snapshot in use",
            metrics.snapshot_version.clone(),
        );
        registry.register(
            "last_contact_timestamp_seconds",
            "When the control plane was last heard",
            metrics.last_contact.clone(),
        );
        registry.register(
            "clock_skew_seconds",
            "The control plane's clock minus this pod's",
            metrics.clock_skew.clone(),
        );
        (metrics, registry)
    }
}
