//! Following the control plane.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use warder_shared::{
    clock::Clock,
    id::ServerId,
    principal::Principal,
    proto::{
        datetime,
        v1::{
            Change, WatchRequest, WatchResponse, change,
            snapshot_service_client::SnapshotServiceClient,
        },
    },
    readiness::Pending,
    snapshot::{InvalidChange, Snapshot},
};

use super::{Journal, Live};
use crate::{link::Link, metrics::Metrics};

/// The control plane sends something every five seconds. After three times that, the connection is
/// dead, whatever TCP thinks of it.
const SILENCE: Duration = Duration::from_secs(15);

/// Largest response: a full state comes in portions well below it.
const MAX_RESPONSE: usize = 64 * 1024 * 1024;

/// What was decided or fetched before a change, and has to be looked at again after it.
pub(crate) trait Dependents: Send + Sync + 'static {
    /// The stored credential of a caller (or of everyone) for a server has changed.
    fn credential_changed(&self, server: ServerId, principal: Option<Principal>);

    /// Changes of credentials may have been missed.
    fn credentials_unknown(&self);

    /// The snapshot was replaced, or time has passed.
    fn review(&self, snapshot: &Snapshot, now: DateTime<Utc>);

    /// The snapshot is too old to decide on.
    fn too_old(&self);
}

/// How often what is open is looked at, whether the control plane is heard or not: tokens expire by themselves.
const REVIEW_INTERVAL: Duration = Duration::from_secs(5);

/// Everything that a change has to reach.
pub(crate) struct Follower<D> {
    pub(crate) live: Arc<Live>,
    pub(crate) dependents: Arc<D>,
    pub(crate) link: Arc<Link>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
}

/// Starts from the state that was saved, if there is one.
pub(crate) fn restore(live: &Live, journal: &mut Journal, clock: &Clock) -> bool {
    let mut restored = false;
    journal.replay(|response| {
        let snapshot =
            live.view()
                .snapshot
                .apply(response.reset, &response.changes, clock.now())?;
        live.replace(snapshot, response.epoch.clone(), response.version);
        if let Some(at) = response.sent_at.as_ref().and_then(datetime) {
            live.heard(at.min(clock.now()));
        }
        restored = true;
        Ok::<_, InvalidChange>(())
    });
    restored && live.is_fresh(clock.now())
}

impl<D: Dependents> Follower<D> {
    /// Follows until `stop`, connecting again whenever the stream breaks. `ready` is dropped with the first state.
    pub(crate) async fn follow(
        self,
        mut journal: Option<Journal>,
        ready: Option<Pending>,
        stop: CancellationToken,
    ) {
        let mut ready = ready;
        let mut failures = 0u32;
        while !stop.is_cancelled() {
            let outcome = tokio::select! {
                outcome = self.watch(&mut journal, &mut ready, &mut failures) => outcome,
                () = stop.cancelled() => return,
            };
            self.metrics.connected.set(0);
            let Err(status) = outcome;
            self.link.judge(&status);
            failures = failures.saturating_add(1);
            if failures == 1 {
                tracing::warn!(code = ?status.code(), message = status.message(), "not following the control plane: calls go on with what is known");
            }
            tokio::select! {
                () = tokio::time::sleep(self.pause(failures)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Reviews what is open, until `stop`.
    pub(crate) async fn keep_reviewing(
        live: Arc<Live>,
        dependents: Arc<D>,
        clock: Clock,
        stop: CancellationToken,
    ) {
        let mut interval = tokio::time::interval(REVIEW_INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = stop.cancelled() => return,
            }
            let now = clock.now();
            if live.is_fresh(now) {
                dependents.review(&live.view().snapshot, now);
            } else {
                dependents.too_old();
            }
        }
    }

    /// Doubles up to five seconds, spread so that pods do not all come back at the same moment.
    fn pause(&self, failures: u32) -> Duration {
        let longest = Duration::from_millis(100 << failures.min(6)).min(Duration::from_secs(5));
        let spread = u32::from(self.clock.now().timestamp_subsec_nanos().to_le_bytes()[1]);
        longest / 2 + longest * spread / 512
    }

    async fn watch(
        &self,
        journal: &mut Option<Journal>,
        ready: &mut Option<Pending>,
        failures: &mut u32,
    ) -> Result<std::convert::Infallible, Status> {
        let (epoch, version) = {
            let view = self.live.view();
            let renew = journal.as_ref().is_some_and(Journal::is_long);
            (view.epoch.clone(), if renew { 0 } else { view.version })
        };
        let request = self.link.request(WatchRequest { epoch, version }).await?;
        let mut client =
            SnapshotServiceClient::new(self.link.channel()).max_decoding_message_size(MAX_RESPONSE);
        let mut responses = client.watch(request).await?.into_inner();
        let mut whole = WatchResponse::default();
        loop {
            let silent = |_| Status::deadline_exceeded("the control plane has gone silent");
            let next = tokio::time::timeout(SILENCE, responses.message())
                .await
                .map_err(silent)??;
            let response =
                next.ok_or_else(|| Status::unavailable("the control plane ended the stream"))?;
            self.metrics.connected.set(1);
            if std::mem::take(failures) > 0 {
                tracing::info!("following the control plane again");
            }
            let more = response.more;
            whole.reset |= response.reset;
            whole.changes.extend(response.changes);
            (whole.epoch, whole.version, whole.sent_at) =
                (response.epoch, response.version, response.sent_at);
            if !more {
                self.apply(&std::mem::take(&mut whole), journal)?;
                ready.take();
            }
        }
    }

    /// Applies one whole response everywhere: first what decides, then what was decided before.
    fn apply(&self, response: &WatchResponse, journal: &mut Option<Journal>) -> Result<(), Status> {
        let now = self.clock.now();
        if let Some(sent_at) = response.sent_at.as_ref().and_then(datetime) {
            let skew = (sent_at - now).as_seconds_f64();
            self.metrics.clock_skew.set(skew);
        }
        self.live.heard(now);
        self.metrics.last_contact.set(now.timestamp());
        let view = self.live.view();
        if response.reset || !response.changes.is_empty() {
            let snapshot = next(&view.snapshot, response, now)?;
            self.live
                .replace(snapshot, response.epoch.clone(), response.version);
            self.metrics
                .snapshot_version
                .set(i64::try_from(response.version).unwrap_or(i64::MAX));
            if response.reset {
                self.dependents.credentials_unknown();
            } else {
                self.invalidate(&response.changes);
            }
        }
        self.dependents.review(&self.live.view().snapshot, now);
        if let Some(journal) = journal
            && let Err(error) = journal.append(response)
        {
            tracing::error!(%error, "the snapshot cannot be saved: a restart will need the control plane");
        }
        Ok(())
    }

    fn invalidate(&self, changes: &[Change]) {
        let changed = changes.iter().filter_map(|change| match &change.change {
            Some(change::Change::CredentialChanged(changed)) => Some(changed),
            _ => None,
        });
        for changed in changed {
            let (Ok(server), principal) =
                (changed.server_id.parse(), changed.principal.parse().ok())
            else {
                continue;
            };
            self.dependents.credential_changed(server, principal);
        }
    }
}

fn next(
    snapshot: &Snapshot,
    response: &WatchResponse,
    now: DateTime<Utc>,
) -> Result<Snapshot, Status> {
    snapshot.apply(response.reset, &response.changes, now).map_err(|error| {
        tracing::error!(%error, version = response.version, "a change cannot be understood; this pod keeps what it knew");
        Status::internal("a change cannot be understood")
    })
}
