//! What happened: one record a call, opened first and closed when the answer has ended.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;
use warder_shared::{
    id::TokenId,
    principal::Principal,
    proto::{
        timestamp,
        v1::{AuditEvent, Outcome},
    },
    snapshot::Server,
};

use crate::{
    error::Rejection,
    metrics::{CallLabels, MethodLabel, Metrics},
};

mod queue;
mod report;

pub(crate) use queue::Queue;
pub(crate) use report::report;

/// Where records go.
#[derive(Clone)]
pub(crate) struct Audit {
    queue: Arc<Queue>,
    metrics: Metrics,
}

/// The record of one call. Dropping it writes it, so none can be forgotten, also not one of a call
/// that was cancelled.
pub(crate) struct Record {
    audit: Audit,
    id: Uuid,
    at: DateTime<Utc>,
    started: Instant,
    identity: Option<(Principal, TokenId)>,
    server: Option<Arc<Server>>,
    method: &'static str,
    object: Option<String>,
    outcome: Outcome,
    reason: String,
    status: u16,
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
        Record {
            audit: self.clone(),
            id,
            at,
            started: Instant::now(),
            identity: None,
            server: None,
            method: "",
            object: None,
            outcome: Outcome::Failed,
            reason: String::from("the client went away"),
            status: 0,
        }
    }
}

impl Record {
    /// Id of the request.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// Who calls, with which token.
    pub(crate) fn identity(&mut self, principal: Principal, token: TokenId) {
        self.identity = Some((principal, token));
    }

    /// Which server they reached.
    pub(crate) fn server(&mut self, server: &Arc<Server>) {
        self.server = Some(server.clone());
    }

    /// What they ask for.
    pub(crate) fn method(&mut self, method: &'static str) {
        self.method = method;
    }

    /// Which tool, prompt, resource or task they name.
    pub(crate) fn object(&mut self, object: &str) {
        self.object = Some(object.chars().take(256).collect());
    }

    /// It was refused, or it failed.
    pub(crate) fn rejected(&mut self, rejection: &Rejection) {
        self.outcome = if rejection.is_denial() {
            Outcome::Denied
        } else {
            Outcome::Failed
        };
        self.reason = rejection.reason().to_owned();
        self.status = rejection.status().as_u16();
    }

    /// The server answered.
    pub(crate) fn answered(&mut self, status: u16) {
        self.outcome = Outcome::Allowed;
        self.reason = String::new();
        self.status = status;
    }

    /// The answer ended before it was whole.
    pub(crate) fn broke_off(&mut self, reason: &'static str) {
        self.outcome = Outcome::Failed;
        reason.clone_into(&mut self.reason);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        let metrics = &self.audit.metrics;
        let outcome = match self.outcome {
            Outcome::Allowed => "allowed",
            Outcome::Denied => "denied",
            Outcome::Failed | Outcome::Unspecified => "failed",
        };
        let server = self
            .server
            .as_ref()
            .map_or_else(Arc::default, |server| server.name.shared());
        metrics
            .calls
            .get_or_create(&CallLabels {
                server,
                method: self.method,
                outcome,
            })
            .inc();
        metrics
            .duration
            .get_or_create(&MethodLabel {
                method: self.method,
            })
            .observe(elapsed.as_secs_f64());
        let text = |value: Option<String>| value.unwrap_or_default();
        self.audit.queue.push(AuditEvent {
            id: self.id.to_string(),
            at: Some(timestamp(self.at)),
            principal: text(self.identity.map(|(principal, _)| principal.to_string())),
            token_id: text(self.identity.map(|(_, token)| token.to_string())),
            server: text(self.server.as_ref().map(|server| server.name.to_string())),
            method: self.method.to_owned(),
            object: text(self.object.take()),
            outcome: self.outcome.into(),
            reason: std::mem::take(&mut self.reason),
            http_status: self.status.into(),
            duration_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            request_id: self.id.to_string(),
        });
    }
}
