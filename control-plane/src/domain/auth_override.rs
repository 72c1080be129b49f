//! A caller's own credential for a server.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use warder_shared::id::{OverrideId, ServerId};
use warder_shared::principal::Principal;

/// What is readable of a caller's own credential for a server. The values are sealed in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthOverride {
    /// Kept while values are replaced.
    pub id: OverrideId,
    /// The server that the values are for.
    pub server_id: ServerId,
    /// Whose values they are.
    pub subject: Principal,
    /// Placeholder or header name → last characters of its value.
    pub hints: BTreeMap<String, String>,
    /// The one origin (RFC 6454) that the values may be sent to. Where it is not the server's origin
    /// any more, the values are quarantined.
    pub origin: String,
    /// Grows with every replacement.
    pub revision: i64,
    /// When values were first entered.
    pub created_at: DateTime<Utc>,
    /// When values were last replaced.
    pub updated_at: DateTime<Utc>,
}
