//! The record of what was done and decided.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use warder_shared::id::EventId;
use warder_shared::principal::Principal;

use super::words;

/// One line of the audit log. Append-only; names are copied in, so that a line still reads after what
/// it names is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// Made where the event happened; a second arrival of the same id changes nothing.
    pub id: EventId,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Which plane saw it.
    pub source: AuditSource,
    /// Who did it.
    pub actor: Actor,
    /// What was done: `mcp_server.update`, or the MCP method.
    pub action: String,
    /// The kind of thing it was done to.
    pub object_kind: Option<ObjectKind>,
    /// The name of the thing it was done to.
    pub object_name: Option<String>,
    /// Name of the MCP server it was about.
    pub server: Option<String>,
    /// Tool, prompt or resource it was about.
    pub tool: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Type of the error, or the rule that refused.
    pub reason: Option<String>,
    /// The request that did it.
    pub request_id: Option<String>,
    /// Name of the pod that saw it.
    pub node: Option<String>,
    /// Further facts, never a secret. An object.
    pub detail: serde_json::Value,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What sort of actor.
    pub kind: ActorKind,
    /// Id of the user or virtual account.
    pub id: Option<Uuid>,
    /// Email of the user or name of the virtual account, as it was then.
    pub name: Option<String>,
}

impl Actor {
    /// A user or a virtual account.
    #[must_use]
    pub fn principal(principal: Principal, name: Option<String>) -> Self {
        let (kind, id) = match principal {
            Principal::User(id) => (ActorKind::User, id.as_uuid()),
            Principal::VirtualAccount(id) => (ActorKind::VirtualAccount, id.as_uuid()),
        };
        Self {
            kind,
            id: Some(id),
            name,
        }
    }

    /// Nobody was authenticated.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self {
            kind: ActorKind::Anonymous,
            id: None,
            name: None,
        }
    }

    /// The control plane itself: a command line or a job.
    #[must_use]
    pub const fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: None,
            name: None,
        }
    }

    /// A pod.
    #[must_use]
    pub fn node(name: impl Into<String>) -> Self {
        Self {
            kind: ActorKind::Node,
            id: None,
            name: Some(name.into()),
        }
    }
}

/// What sort of actor did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// A person.
    User,
    /// A service.
    VirtualAccount,
    /// Nobody was authenticated.
    Anonymous,
    /// A pod, in its own name.
    Node,
    /// The control plane itself.
    System,
}

words!(ActorKind, "actor kind", {
    User => "user",
    VirtualAccount => "virtual-account",
    Anonymous => "anonymous",
    Node => "node",
    System => "system",
});

/// Which plane saw an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditSource {
    /// Someone used the API, or a job ran.
    ControlPlane,
    /// Someone called a server through a pod.
    DataPlane,
}

words!(AuditSource, "audit source", {
    ControlPlane => "control-plane",
    DataPlane => "data-plane",
});

/// The kind of thing that something was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A person.
    User,
    /// A group of people.
    Team,
    /// A service account.
    VirtualAccount,
    /// A personal access token or a token of a virtual account.
    Token,
    /// An MCP server.
    Server,
    /// A caller's own credential for a server.
    AuthOverride,
    /// A program that asks users for access.
    OAuthClient,
    /// What a user granted to one.
    OAuthGrant,
    /// A key that signs tokens.
    SigningKey,
    /// A key that seals session ids.
    SessionKey,
    /// A pod.
    Node,
    /// An identity provider.
    IdentityProvider,
    /// A person who signed in, in one browser.
    Session,
    /// The vault as a whole.
    Vault,
}

words!(ObjectKind, "object kind", {
    User => "user",
    Team => "team",
    VirtualAccount => "virtual-account",
    Token => "token",
    Server => "mcp-server",
    AuthOverride => "auth-override",
    OAuthClient => "oauth-client",
    OAuthGrant => "oauth-grant",
    SigningKey => "signing-key",
    SessionKey => "session-key",
    Node => "node",
    IdentityProvider => "identity-provider",
    Session => "session",
    Vault => "vault",
});

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was permitted and done.
    Allowed,
    /// Policy or authentication refused it.
    Denied,
    /// It was permitted, but could not be carried out.
    Failed,
}

words!(Outcome, "outcome", { Allowed => "allowed", Denied => "denied", Failed => "failed" });
