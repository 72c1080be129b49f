//! The proof that something may be done.

use std::error::Error;

use warder_shared::{clock::Clock, id::EventId, principal::Principal};

use crate::{
    authenticate::Caller,
    domain::{Actor, AuditEvent, AuditSource, ObjectKind, Outcome},
    store::StoreError,
};

/// The proof that an actor may act on `R`. Every use case that writes, or that reads what is not
/// everyone's, takes one.
#[derive(Debug)]
pub struct Permit<R> {
    actor: Actor,
    principal: Option<Principal>,
    request_id: Option<String>,
    resource: R,
}

/// Why something may not be done.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There is no such thing for this caller.
    #[error("there is no such {what}")]
    Unknown {
        /// The kind of thing, in words.
        what: &'static str,
    },
    /// The caller may see the thing, but not do this.
    #[error("this needs {needs}")]
    Forbidden {
        /// The role or kind of caller that may, in words.
        needs: &'static str,
    },
    /// It could not be found out.
    #[error("internal error")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

impl<R> Permit<R> {
    pub(super) fn new(caller: &Caller, resource: R) -> Self {
        Self {
            actor: caller.actor(),
            principal: Some(caller.principal()),
            request_id: Some(caller.request_id().to_string()),
            resource,
        }
    }

    /// For whoever runs the program itself.
    pub(super) const fn system(resource: R) -> Self {
        Self {
            actor: Actor::system(),
            principal: None,
            request_id: None,
            resource,
        }
    }

    /// What may be acted on.
    #[must_use]
    pub const fn resource(&self) -> &R {
        &self.resource
    }

    /// Who acts; none: the program's operator.
    #[must_use]
    pub const fn principal(&self) -> Option<Principal> {
        self.principal
    }

    /// Address of the user or name of the virtual account who acts.
    #[must_use]
    pub fn actor_name(&self) -> Option<&str> {
        self.actor.name.as_deref()
    }

    /// The audit record of an action that this permits and that is being done in this very
    /// transaction. `action` reads `noun.verb`.
    #[must_use]
    pub fn record(
        &self,
        clock: &Clock,
        action: &str,
        kind: ObjectKind,
        name: impl Into<String>,
    ) -> AuditEvent {
        AuditEvent {
            id: EventId::new(clock),
            at: clock.now(),
            source: AuditSource::ControlPlane,
            actor: self.actor.clone(),
            action: action.to_owned(),
            object_kind: Some(kind),
            object_name: Some(name.into()),
            server: None,
            tool: None,
            outcome: Outcome::Allowed,
            reason: None,
            request_id: self.request_id.clone(),
            node: None,
            detail: serde_json::json!({}),
        }
    }
}
