//! MCP servers behind the gateway.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use url::Url;
use warder_shared::id::ServerId;
use warder_shared::name::ServerName;
use warder_shared::policy::ToolPolicy;
use warder_shared::principal::Principal;

use super::server_auth::ServerAuth;
use super::words;

/// A server that callers reach through the gateway. Holds no secret: sealed values are read and
/// written on their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Never used again, even after the server is gone.
    pub id: ServerId,
    /// Unique and immutable: its place in the gateway's URLs.
    pub name: ServerName,
    /// What kind of server it is.
    pub server_type: ServerType,
    /// Name shown to people.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Where it is.
    pub url: Url,
    /// How the gateway authenticates to it.
    pub auth: ServerAuth,
    /// Names of headers sent whatever the auth is; their values are sealed.
    pub additional_header_names: Vec<String>,
    /// Which tools are callable at all.
    pub tool_policy: ToolPolicy,
    /// Whether its prompts are reachable.
    pub prompts_enabled: bool,
    /// Whether its resources are reachable.
    pub resources_enabled: bool,
    /// Whether callers may send `x-tfy-mcp-headers`.
    pub allow_header_override: bool,
    /// PEM certificates trusted for this server instead of the public roots.
    pub ca_cert: Option<String>,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Grows with every change of URL, auth or headers: part of every credential cache key.
    pub revision: i64,
    /// Who made it.
    pub created_by: Option<Principal>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When a field, its collaborators or its secrets last changed.
    pub updated_at: DateTime<Utc>,
}

impl Server {
    /// The one origin (RFC 6454) that its credentials may be sent to.
    #[must_use]
    pub fn origin(&self) -> String {
        warder_shared::egress::origin(&self.url)
    }
}

/// What kind of server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerType {
    /// One MCP server at a URL.
    Remote,
}

words!(ServerType, "server type", { Remote => "remote" });

/// Milliseconds; absent means the gateway's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// Until a connection stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u32>,
    /// From the request's last byte to the response's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_ms: Option<u32>,
    /// Longest silence inside a response body or stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u32>,
}
