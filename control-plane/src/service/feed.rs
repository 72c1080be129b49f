//! The change feed: what pods have to know, kept in memory, and told to each of them from where it is.
//!
//! The database is the truth. Every commit that matters to pods has a version; this feed is woken by
//! commits of its own process, by those of other replicas and by the clock, reads what changed since its
//! version, and hands the change on. A pod that comes back says which version it has.
//!
//! **Invariant:** whoever has applied everything that was sent with a version knows the state of the
//! database at that version, or a newer one.

mod directory;
mod load;
mod metrics;
mod state;
mod watch;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::{Mutex, broadcast};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use warder_shared::clock::Clock;
use warder_shared::proto::v1;
use warder_shared::snapshot::Snapshot;

pub use self::metrics::FeedMetrics;
pub use self::watch::Watcher;

use self::state::State;
use super::keys::{KeyFailure, Keys};
use crate::store::{Store, StoreError, changes, settings};

/// How often the database is asked without being told of a commit.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Without an answer of the database for so long, the state may be behind it.
const CURRENT: Duration = Duration::from_secs(15);

/// How many changes a pod may be behind and still get them one by one.
const MAX_CHANGES: i64 = 10_000;

/// How many updates a slow watcher may have waiting before it is brought up to date anew.
const BACKLOG: usize = 256;

/// The feed. Clones share it.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    store: Store,
    keys: Keys,
    metrics: FeedMetrics,
    state: RwLock<State>,
    /// When the database last said that the state is its own, or gave what was missing.
    confirmed_at: std::sync::Mutex<Instant>,
    updates: broadcast::Sender<Arc<Update>>,
    /// Held while the state is brought up to date.
    turn: Mutex<()>,
}

/// One step of the state, for those who have the one before. Has no debug form, as it may hold session
/// keys.
struct Update {
    version: i64,
    /// The changes are the whole state.
    reset: bool,
    changes: Vec<v1::Change>,
}

/// Why the feed could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum FeedFailure {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys could not be loaded.
    #[error(transparent)]
    Keys(#[from] KeyFailure),
}

impl Feed {
    /// Loads the whole state.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn open(store: Store, keys: Keys, metrics: FeedMetrics) -> Result<Self, FeedFailure> {
        let epoch = settings::epoch(&store).await?;
        let mut tx = store.begin_read().await?;
        let version = changes::current_version(&mut tx).await?;
        let loaded = load::everything(&mut tx, &keys).await?;
        drop(tx);
        let state = State::new(epoch, version, loaded, store.clock().now());
        metrics.set_version(version);
        let inner = Inner {
            store,
            keys,
            metrics,
            state: RwLock::new(state),
            confirmed_at: std::sync::Mutex::new(Instant::now()),
            updates: broadcast::Sender::new(BACKLOG),
            turn: Mutex::new(()),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Keeps the state up to date until `shutdown`. Nothing that fails ends it.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut committed = self.0.store.committed();
        let mut listener = None;
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                // The feed holds a store of its own, so the sender is never gone.
                _ = committed.changed() => {}
                () = notified(&mut listener) => {}
                _ = poll.tick() => self.listen(&mut listener).await,
            }
            if let Err(error) = self.refresh().await {
                self.0.metrics.count_failure();
                tracing::warn!("the change feed is not up to date, trying again: {error}");
            }
        }
    }

    /// Brings the state up to date now.
    ///
    /// # Errors
    /// When the database or the vault fails; the state is what it was.
    pub async fn refresh(&self) -> Result<(), FeedFailure> {
        let _turn = self.0.turn.lock().await;
        let asked_at = Instant::now();
        self.bring_up_to_date().await?;
        *self
            .0
            .confirmed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = asked_at;
        Ok(())
    }

    async fn bring_up_to_date(&self) -> Result<(), FeedFailure> {
        let known = self.read(|state| state.version());
        let mut tx = self.0.store.begin_read().await?;
        let version = changes::current_version(&mut tx).await?;
        if version == known {
            return Ok(());
        }
        // A version from the past: the database was put back to an older state under this process.
        let changed = match version < known {
            true => None,
            false => changes::since(&mut tx, known, MAX_CHANGES).await?,
        };
        let reset = changed.is_none();
        let loaded = match changed {
            None => {
                self.0.keys.reload().await?;
                load::everything(&mut tx, &self.0.keys).await?
            }
            Some(changed) => load::changed(&mut tx, &self.0.keys, changed).await?,
        };
        drop(tx);
        let now = self.0.store.clock().now();
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        let changes = state.update(version, reset, loaded, now);
        self.0.metrics.set_version(version);
        // Sent under the lock: whoever subscribes and then reads the state misses nothing. Nobody
        // listening is no failure.
        let _ = self.0.updates.send(Arc::new(Update {
            version,
            reset,
            changes,
        }));
        Ok(())
    }

    /// The state, compiled for deciding as a pod does.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.read(State::snapshot)
    }

    /// Whether the state was the database's a moment ago. While it is not, pods are told nothing, so that
    /// they know how old what they have is.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let confirmed_at = self
            .0
            .confirmed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        confirmed_at.elapsed() < CURRENT
    }

    /// The version of the state.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.read(|state| state.version())
    }

    /// The clock of the feed.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.0.store.clock()
    }

    /// Follows the state from a version that someone has, of a database with an identity; empty and 0
    /// from the start.
    #[must_use]
    pub fn watch(&self, epoch: String, version: u64) -> Watcher {
        Watcher::new(self.clone(), epoch, version)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Listens for commits of other replicas, if it does not yet. Without it, polling finds them.
    async fn listen(&self, listener: &mut Option<PgListener>) {
        if listener.is_some() {
            return;
        }
        match self.0.store.listen().await {
            Ok(listening) => *listener = listening,
            Err(error) => tracing::warn!("cannot listen for commits of other replicas: {error}"),
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Feed")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// Returns at the next commit of another replica; never when there is nothing to listen to.
async fn notified(listener: &mut Option<PgListener>) {
    let Some(listening) = listener else {
        return std::future::pending().await;
    };
    // A connection that was lost is made again by the next call; what happened meanwhile is read
    // from the database, so its notifications do not matter.
    if let Err(error) = listening.try_recv().await {
        tracing::warn!("listening for commits of other replicas failed: {error}");
        *listener = None;
    }
}
