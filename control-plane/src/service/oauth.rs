//! Use cases of Warder's own authorization server (OAuth 2.1, IN-4): clients register, users grant them
//! access to servers, clients get tokens for it.
//!
//! What a user granted to a client is one row, the *grant*. Every token that the client gets for it carries the
//! grant's id, so revoking that one id ends them all, in pods and here.

mod access;
mod clients;
mod consent;
mod documents;
mod grants;
mod refresh_token;
mod refusal;
mod registration;
mod request;
mod revocation;
mod tokens;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use warder_shared::id::EventId;
use zeroize::Zeroizing;

pub use clients::{AuthenticatedClient, authenticate};
pub use consent::{Offer, Offered, approve, deny, offer};
pub use documents::{ClientDocuments, DocumentError};
pub use grants::{GrantView, list, revoke_own};
pub use refusal::{ErrorCode, Refusal};
pub use registration::{Registration, register};
pub use request::{AuthorizationRequest, Prompt, Rejected, check};
pub use revocation::revoke;
pub use tokens::{Issued, Redemption, Refreshing, redeem, refresh};

use crate::{
    domain::{Actor, AuditEvent, AuditSource, ObjectKind, Outcome},
    store::Tx,
};

/// 32 random bytes.
fn random_bytes() -> Result<Zeroizing<[u8; 32]>, Refusal> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| Refusal::internal("no random numbers"))?;
    Ok(bytes)
}

/// What is stored of a secret that has enough randomness of its own.
fn hash(secret: &SecretString) -> Vec<u8> {
    digest(&SHA256, secret.expose_secret().as_bytes())
        .as_ref()
        .to_vec()
}

/// The audit record of something that was done, or refused, by way of a client.
fn event(tx: &Tx, actor: Actor, action: &str, object: (ObjectKind, String)) -> AuditEvent {
    AuditEvent {
        id: EventId::new(tx.clock()),
        at: tx.now(),
        source: AuditSource::ControlPlane,
        actor,
        action: action.to_owned(),
        object_kind: Some(object.0),
        object_name: Some(object.1),
        server: None,
        tool: None,
        outcome: Outcome::Allowed,
        reason: None,
        request_id: None,
        node: None,
        detail: json!({}),
    }
}
