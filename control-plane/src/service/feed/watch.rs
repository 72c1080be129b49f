//! One pod that follows the state.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::sync::broadcast;
use tokio::time::{Interval, MissedTickBehavior};
use warder_shared::proto::{self, v1};

use super::metrics::WatcherCount;
use super::{Feed, MAX_CHANGES, Update};
use crate::store::{StoreError, changes};

/// How often a pod hears something, so that it notices a dead connection and knows its age.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// The size of one response, in bytes: well below what gRPC clients accept.
const RESPONSE_SIZE: usize = 1024 * 1024;

/// Follows the state from a version on. It never ends by itself. Has no debug form, as it may hold
/// session keys.
pub struct Watcher {
    feed: Feed,
    updates: broadcast::Receiver<Arc<Update>>,
    heartbeat: Interval,
    /// What the follower has, once everything in `waiting` was sent.
    position: Position,
    waiting: VecDeque<v1::WatchResponse>,
    _count: WatcherCount,
}

enum Position {
    /// What it says it has, which was not looked at yet.
    Claimed { epoch: String, version: u64 },
    /// What it was sent.
    Known { version: i64 },
}

impl Watcher {
    pub(super) fn new(feed: Feed, epoch: String, version: u64) -> Self {
        let mut heartbeat = tokio::time::interval(HEARTBEAT_INTERVAL);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        Self {
            // From here on nothing is missed, so the state may be read after it.
            updates: feed.0.updates.subscribe(),
            heartbeat,
            position: Position::Claimed { epoch, version },
            waiting: VecDeque::new(),
            _count: feed.0.metrics.count_watcher(),
            feed,
        }
    }

    /// The next thing to send; waits for it.
    pub async fn next(&mut self) -> v1::WatchResponse {
        loop {
            if let Some(response) = self.waiting.pop_front() {
                return response;
            }
            let Position::Known { version } = self.position else {
                self.start().await;
                continue;
            };
            tokio::select! {
                update = self.updates.recv() => match update {
                    Ok(update) if update.version == version && !update.reset => {}
                    // One that was in the state already when it was read.
                    Ok(update) if update.version < version && !update.reset => {}
                    Ok(update) => self.send(update.version, update.reset, update.changes.clone()),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up(version).await,
                    // The feed, which the watcher holds, keeps the sender.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
                _ = self.heartbeat.tick() => if self.feed.is_current() {
                    self.send(version, false, Vec::new());
                },
            }
        }
    }

    /// Brings a follower from where it says it is to the state.
    async fn start(&mut self) {
        let Position::Claimed { epoch, version } = &self.position else {
            return;
        };
        let claimed = i64::try_from(*version).unwrap_or(i64::MAX);
        if *epoch == self.feed.read(|state| state.epoch().to_owned()) {
            self.catch_up(claimed).await;
        } else {
            self.reset();
        }
    }

    /// Brings a follower from a version to the state.
    async fn catch_up(&mut self, version: i64) {
        let mut current = self.feed.version();
        if version > current {
            // It may have heard of a commit from another replica before this one did.
            if let Err(error) = self.feed.refresh().await {
                tracing::warn!("the change feed is behind one of its pods: {error}");
            }
            current = self.feed.version();
        }
        if version == current {
            return self.send(version, false, Vec::new());
        }
        // A follower that is ahead followed a database that was put back since.
        if version > current {
            return self.reset();
        }
        match self.changes_since(version).await {
            // The state may be newer than `current` by now: then what is sent is newer too, and the
            // updates in between are sent as well.
            Ok(Some(changes)) => self.send(current, false, changes),
            Ok(None) => self.reset(),
            Err(error) => {
                tracing::warn!(
                    "a pod gets the whole state, as its changes cannot be read: {error}"
                );
                self.reset();
            }
        }
    }

    async fn changes_since(&self, version: i64) -> Result<Option<Vec<v1::Change>>, StoreError> {
        let mut tx = self.feed.0.store.begin_read().await?;
        let changed = changes::since(&mut tx, version, MAX_CHANGES).await?;
        Ok(changed.map(|changed| self.feed.read(|state| state.what_became_of(changed))))
    }

    fn reset(&mut self) {
        let (version, everything) = self
            .feed
            .read(|state| (state.version(), state.everything()));
        self.send(version, true, everything);
    }

    /// Queues a step to a version, in responses of bounded size.
    fn send(&mut self, version: i64, reset: bool, changes: Vec<v1::Change>) {
        self.position = Position::Known { version };
        self.heartbeat.reset();
        let epoch = self.feed.read(|state| state.epoch().to_owned());
        let sent_at = Some(proto::timestamp(self.feed.0.store.clock().now()));
        let mut parts = split(changes);
        let last = parts.pop().unwrap_or_default();
        let count = parts.len();
        for (index, changes) in parts.into_iter().chain([last]).enumerate() {
            self.waiting.push_back(v1::WatchResponse {
                epoch: epoch.clone(),
                version: u64::try_from(version).unwrap_or_default(),
                reset: reset && index == 0,
                more: index < count,
                changes,
                sent_at,
            });
        }
    }
}

/// Cuts changes into parts of at most [`RESPONSE_SIZE`], or one change.
fn split(changes: Vec<v1::Change>) -> Vec<Vec<v1::Change>> {
    let mut parts = Vec::new();
    let mut part: Vec<v1::Change> = Vec::new();
    let mut size = 0;
    for change in changes {
        let length = change.encoded_len();
        if !part.is_empty() && size + length > RESPONSE_SIZE {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
        size += length;
        part.push(change);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_cut_into_small_responses() {
        let change = |size: usize| v1::Change {
            change: Some(v1::change::Change::ServerRemoved("x".repeat(size))),
        };
        let lengths = |sizes: &[usize]| {
            let changes = sizes.iter().map(|size| change(*size)).collect();
            split(changes).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&[10, 10, 10]), [3]);
        assert_eq!(lengths(&[600_000, 600_000, 10]), [1, 2]);
        assert_eq!(lengths(&[10, 2_000_000, 10]), [1, 1, 1]);
    }
}
