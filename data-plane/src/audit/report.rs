//! Telling the control plane what happened.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tonic::Status;
use warder_shared::{
    name::Name,
    proto::{
        timestamp,
        v1::{AuditEvent, ReportRequest, audit_service_client::AuditServiceClient},
    },
    snapshot::Proof,
};

use super::{Event, Queue};
use crate::link::{Link, RPC_TIMEOUT};

/// How long the first event waits for others.
const GATHER: Duration = Duration::from_millis(200);

/// How long events of nobody in particular are counted together.
const MINUTE: Duration = Duration::from_secs(60);

/// Reports events until `stop`, and then those that are left, if the control plane takes them.
///
/// A batch is sent again until it is acknowledged; the control plane knows events by id.
pub(crate) async fn report(queue: Arc<Queue>, link: Arc<Link>, stop: CancellationToken) {
    let mut pause = Duration::ZERO;
    let mut batch: Vec<AuditEvent> = Vec::new();
    let mut minute = tokio::time::interval(MINUTE);
    loop {
        if batch.is_empty() {
            tokio::select! {
                () = queue.filled() => {}
                _ = minute.tick() => queue.end_minute(),
                () = stop.cancelled() => queue.end_minute(),
            }
            if !stop.is_cancelled() {
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    () = stop.cancelled() => {}
                }
            }
            batch = queue.take().into_iter().map(AuditEvent::from).collect();
            if batch.is_empty() && stop.is_cancelled() {
                return;
            }
        }
        match send(&link, &batch).await {
            Ok(()) => {
                batch.clear();
                pause = Duration::ZERO;
            }
            Err(status) => {
                link.judge(&status);
                if stop.is_cancelled() {
                    tracing::warn!(events = batch.len(), code = ?status.code(), "audit events could not be reported before the end");
                    return;
                }
                pause = (pause * 2).clamp(Duration::from_millis(200), Duration::from_secs(5));
                tracing::debug!(code = ?status.code(), "audit report failed");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

async fn send(link: &Link, events: &[AuditEvent]) -> Result<(), Status> {
    if events.is_empty() {
        return Ok(());
    }
    let mut request = link
        .request(ReportRequest {
            events: events.to_vec(),
        })
        .await?;
    request.set_timeout(RPC_TIMEOUT);
    AuditServiceClient::new(link.channel())
        .report(request)
        .await?;
    Ok(())
}

impl From<Event> for AuditEvent {
    fn from(event: Event) -> Self {
        let text = |value: Option<String>| value.unwrap_or_default();
        let (principal, proof) = event.identity.unzip();
        let proof = proof.as_deref();
        Self {
            id: event.id.to_string(),
            at: Some(timestamp(event.at)),
            principal: text(principal.map(|principal| principal.to_string())),
            token_id: text(proof.and_then(Proof::token_id).map(|id| id.to_string())),
            server: text(event.server.map(|server| server.name.to_string())),
            method: event.method.to_owned(),
            object: text(event.object),
            outcome: event.outcome.into(),
            reason: event.reason.into_owned(),
            http_status: event.status.into(),
            duration_us: u64::try_from(event.duration.as_micros()).unwrap_or(u64::MAX),
            request_id: event.id.to_string(),
            identity_provider: text(
                proof
                    .and_then(Proof::identity_provider)
                    .map(Name::to_string),
            ),
            count: event.count,
        }
    }
}
