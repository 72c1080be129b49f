//! What the control plane last told this pod.
//!
//! **Invariant:** a call loads the current view once and decides on that; nothing waits. No stage is known
//! here: who depends on what changed is told through [`Dependents`].

mod journal;
mod watch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use warder_shared::snapshot::Snapshot;

use crate::mcp::session::Sealer;

pub(crate) use journal::Journal;
pub(crate) use watch::{Dependents, Follower, restore};

/// One state of the world.
#[derive(Default)]
pub(crate) struct View {
    /// What decides.
    pub(crate) snapshot: Snapshot,
    /// What opens and seals session ids, made of the snapshot's keys.
    pub(crate) sealer: Arc<Sealer>,
    epoch: String,
    version: u64,
}

impl View {
    /// Version of the control plane's state that it shows.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}

/// The current view, and how current it is.
pub(crate) struct Live {
    view: ArcSwap<View>,
    /// When the control plane was last heard, in microseconds since 1970.
    last_contact: AtomicI64,
    max_stale: Duration,
    /// The version of the view.
    version: tokio::sync::watch::Sender<u64>,
}

impl Live {
    /// Nothing is known yet; what will be known may be used for `max_stale` after the control plane was last heard.
    pub(crate) fn new(max_stale: Duration) -> Self {
        Self {
            view: ArcSwap::default(),
            last_contact: AtomicI64::new(i64::MIN),
            max_stale,
            version: tokio::sync::watch::Sender::new(0),
        }
    }

    /// Waits until the view is of this version or a later one.
    pub(crate) async fn reached(&self, version: u64) {
        // The sender is right here.
        let _ = self
            .version
            .subscribe()
            .wait_for(|current| *current >= version)
            .await;
    }

    /// The current view.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Whether the view is recent enough to decide on.
    pub(crate) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        let age = now
            .timestamp_micros()
            .saturating_sub(self.last_contact.load(Ordering::Relaxed));
        age <= i64::try_from(self.max_stale.as_micros()).unwrap_or(i64::MAX)
    }

    fn heard(&self, at: DateTime<Utc>) {
        self.last_contact
            .fetch_max(at.timestamp_micros(), Ordering::Relaxed);
    }

    fn replace(&self, snapshot: Snapshot, epoch: String, version: u64) {
        let current = self.view.load();
        let sealer = if Arc::ptr_eq(snapshot.keys(), current.snapshot.keys()) {
            current.sealer.clone()
        } else {
            Arc::new(Sealer::new(&snapshot.keys().session))
        };
        self.view.store(Arc::new(View {
            snapshot,
            sealer,
            epoch,
            version,
        }));
        self.version.send_replace(version);
    }
}
