//! Open streams, and what each of them depends on (T27, AC-5).

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use warder_shared::{
    id::ServerId,
    principal::Principal,
    snapshot::{Proof, Snapshot},
};

use crate::{
    authorize::{Call, MessageCall},
    mcp::method::Method,
    metrics::Metrics,
    resolve::Equipped,
};

/// What allowed a stream to be opened.
pub(crate) struct Dependencies {
    /// Whose it is.
    pub(crate) principal: Principal,
    /// What proved that.
    pub(crate) proof: Arc<Proof>,
    /// The server, as it was.
    pub(crate) server: ServerId,
    /// Its revision.
    pub(crate) revision: u64,
    /// The tool whose answer streams.
    pub(crate) tool: Option<String>,
    /// Whether a stored credential was sent.
    pub(crate) stored_credential: bool,
    /// Whether it is a stream of the server's own messages (GET, or `subscriptions/listen`), which a drain ends at
    /// once.
    pub(crate) listening: bool,
}

impl Dependencies {
    /// What a call depends on.
    pub(super) fn of(equipped: &Equipped) -> Self {
        let tool = match &equipped.call {
            Call::Message(MessageCall {
                method: Some(Method::ToolsCall),
                named,
                ..
            }) => named.clone(),
            _ => None,
        };
        Self {
            principal: equipped.identity.caller.principal,
            proof: equipped.identity.proof.clone(),
            server: equipped.server.id,
            revision: equipped.server.revision,
            tool,
            stored_credential: equipped.stamp.is_some(),
            listening: is_listening(&equipped.call),
        }
    }

    /// Whether all of it is still there.
    pub(super) fn hold(&self, snapshot: &Snapshot, now: DateTime<Utc>) -> bool {
        let Ok(caller) = snapshot.admit(&self.proof) else {
            return false;
        };
        let Some(server) = snapshot
            .server_by_id(self.server)
            .filter(|server| server.revision == self.revision)
        else {
            return false;
        };
        let access = server.policy.access(caller.principal, &caller.teams);
        let tool = |tool: &str| {
            access
                .as_ref()
                .is_some_and(|access| access.tool(tool).is_ok())
        };
        access.is_some()
            && self.tool.as_deref().is_none_or(tool)
            && caller.principal == self.principal
            && self.proof.check(server.name.as_str(), now).is_ok()
    }
}

/// Most streams of the servers' own messages that one caller has open here (T67).
const MAX_LISTENING: usize = 50;

fn is_listening(call: &Call) -> bool {
    match call {
        Call::Stream(_) => true,
        Call::Message(message) => message.method == Some(Method::Listen),
        Call::EndSession => false,
    }
}

/// Every open stream of this pod.
pub(crate) struct Streams {
    open: Mutex<Open>,
    next: AtomicU64,
    metrics: Metrics,
}

#[derive(Default)]
struct Open {
    streams: HashMap<u64, (Dependencies, CancellationToken)>,
    /// How many of them each caller listens on.
    listening: HashMap<Principal, usize>,
    /// Whether the pod is about to end: who listens now is sent away at once.
    draining: bool,
}

/// One open stream; it is forgotten when this is dropped.
pub(crate) struct StreamGuard {
    streams: Arc<Streams>,
    number: u64,
    /// Cancelled when the stream must end.
    pub(crate) ended: CancellationToken,
}

impl Streams {
    /// No stream is open.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            metrics,
        }
    }

    /// Notes a stream before its first byte is sent; `None` when its caller listens too often already.
    pub(crate) fn open(self: &Arc<Self>, dependencies: Dependencies) -> Option<StreamGuard> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let ended = CancellationToken::new();
        let mut open = self.lock();
        if dependencies.listening {
            let count = open.listening.entry(dependencies.principal).or_default();
            if *count >= MAX_LISTENING {
                return None;
            }
            *count += 1;
            if open.draining {
                ended.cancel();
            }
        }
        open.streams.insert(number, (dependencies, ended.clone()));
        self.metrics.open_streams.inc();
        Some(StreamGuard {
            streams: self.clone(),
            number,
            ended,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every stream that the snapshot does not allow (any more).
    pub(crate) fn review(&self, snapshot: &Snapshot, now: DateTime<Utc>) {
        self.end(|dependencies| !dependencies.hold(snapshot, now));
    }

    /// Ends the streams that a stored credential of this server was sent for: one caller's, or all.
    pub(crate) fn credential_changed(&self, server: ServerId, principal: Option<Principal>) {
        self.end(|dependencies| {
            dependencies.stored_credential
                && dependencies.server == server
                && principal.is_none_or(|principal| principal == dependencies.principal)
        });
    }

    /// Ends every stream that a stored credential was sent for.
    pub(crate) fn credentials_unknown(&self) {
        self.end(|dependencies| dependencies.stored_credential);
    }

    /// Ends the streams that nobody waits for an answer on, and those that are still to come.
    pub(crate) fn end_listening(&self) {
        let mut open = self.lock();
        open.draining = true;
        open.streams
            .values()
            .filter(|(dependencies, _)| dependencies.listening)
            .for_each(|(_, ended)| ended.cancel());
    }

    /// Ends every stream, whoever waits: the pod cannot go on with any.
    pub(crate) fn end_all(&self) {
        self.lock()
            .streams
            .values()
            .for_each(|(_, ended)| ended.cancel());
    }

    fn end(&self, is_over: impl Fn(&Dependencies) -> bool) {
        let open = self.lock();
        for (_, ended) in open
            .streams
            .values()
            .filter(|(dependencies, ended)| !ended.is_cancelled() && is_over(dependencies))
        {
            ended.cancel();
            self.metrics.streams_revoked.inc();
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some((dependencies, _)) = open.streams.remove(&self.number)
            && dependencies.listening
            && let Entry::Occupied(mut count) = open.listening.entry(dependencies.principal)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.streams.metrics.open_streams.dec();
    }
}
