//! What happened: one record a call, opened first and closed when the answer has ended.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;
use warder_shared::{
    principal::Principal,
    proto::v1::Outcome,
    snapshot::{Proof, Server},
};

use crate::{
    error::Rejection,
    metrics::{CallLabels, MethodLabel, Metrics},
};

mod queue;
mod strangers;
mod report;

pub(crate) use queue::Queue;
pub(crate) use report::report;

/// Where records go.
#[derive(Clone)]
pub(crate) struct Audit {
    queue: Arc<Queue>,
    metrics: Metrics,
}

/// What happened in one call. It becomes text when it is reported, not while the call waits.
pub(crate) struct Event {
    id: Uuid,
    at: DateTime<Utc>,
    identity: Option<(Principal, Arc<Proof>)>,
    server: Option<Arc<Server>>,
    method: &'static str,
    object: Option<String>,
    outcome: Outcome,
    reason: Cow<'static, str>,
    status: u16,
    duration: Duration,
    /// How many events alike it stands for.
    count: u64,
}

/// The record of one call. Dropping it writes it, so none can be forgotten, also not one of a call
/// that was cancelled.
pub(crate) struct Record {
    audit: Audit,
    id: Uuid,
    started: Instant,
    /// There until it is written.
    event: Option<Event>,
}

impl Audit {
    /// An audit trail without events.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            queue: Arc::new(Queue::new(metrics.audit_dropped.clone())),
            metrics,
        }
    }

    /// The events that wait to be reported.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }

    /// Opens the record of a call. Until somebody says otherwise, it failed.
    pub(crate) fn open(&self, id: Uuid, at: DateTime<Utc>) -> Record {
        let event = Event {
            id,
            at,
            identity: None,
            server: None,
            method: "",
            object: None,
            outcome: Outcome::Failed,
            reason: Cow::Borrowed("the client went away"),
            status: 0,
            duration: Duration::ZERO,
            count: 1,
        };
        Record {
            audit: self.clone(),
            id,
            started: Instant::now(),
            event: Some(event),
        }
    }
}

impl Record {
    fn note(&mut self, change: impl FnOnce(&mut Event)) {
        if let Some(event) = &mut self.event {
            change(event);
        }
    }

    /// Id of the request.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// Who calls, and what proved it.
    pub(crate) fn identity(&mut self, principal: Principal, proof: &Arc<Proof>) {
        self.note(|event| event.identity = Some((principal, proof.clone())));
    }

    /// Which server they ask for.
    pub(crate) fn server(&mut self, server: &Arc<Server>) {
        self.note(|event| event.server = Some(server.clone()));
    }

    /// What they ask for.
    pub(crate) fn method(&mut self, method: &'static str) {
        self.note(|event| event.method = method);
    }

    /// Which tool, prompt, resource or task they name.
    pub(crate) fn object(&mut self, object: &str) {
        self.note(|event| event.object = Some(object.chars().take(256).collect()));
    }

    /// It was refused, or it failed.
    pub(crate) fn rejected(&mut self, rejection: &Rejection) {
        self.note(|event| {
            event.outcome = if rejection.is_denial() {
                Outcome::Denied
            } else {
                Outcome::Failed
            };
            event.reason = rejection.reason().clone();
            event.status = rejection.status().as_u16();
        });
    }

    /// The server answered.
    pub(crate) fn answered(&mut self, status: u16) {
        self.note(|event| {
            event.outcome = Outcome::Allowed;
            event.reason = Cow::Borrowed("");
            event.status = status;
        });
    }

    /// The answer ended before it was whole.
    pub(crate) fn broke_off(&mut self, reason: &'static str) {
        self.note(|event| {
            event.outcome = Outcome::Failed;
            event.reason = Cow::Borrowed(reason);
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(mut event) = self.event.take() else {
            return;
        };
        event.duration = self.started.elapsed();
        let metrics = &self.audit.metrics;
        let outcome = match event.outcome {
            Outcome::Allowed => "allowed",
            Outcome::Denied => "denied",
            Outcome::Failed | Outcome::Unspecified => "failed",
        };
        let server = event
            .server
            .as_ref()
            .map_or_else(Arc::default, |server| server.name.shared());
        let labels = CallLabels {
            server,
            method: event.method,
            outcome,
        };
        metrics.calls.get_or_create(&labels).inc();
        let label = MethodLabel {
            method: event.method,
        };
        metrics
            .duration
            .get_or_create(&label)
            .observe(event.duration.as_secs_f64());
        // A preflight or a public document: answered, but nobody called anything.
        let is_call = event.identity.is_some() || event.outcome != Outcome::Allowed;
        if is_call {
            self.audit.queue.push(event);
        }
    }
}
