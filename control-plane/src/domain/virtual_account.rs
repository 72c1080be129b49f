//! Services that call the gateway.

use chrono::{DateTime, Utc};
use warder_shared::id::VirtualAccountId;
use warder_shared::name::Name;

/// An account without a person behind it. Its permissions are the collaborator rows that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualAccount {
    /// Never used again, even after the account is gone.
    pub id: VirtualAccountId,
    /// Unique and immutable.
    pub name: Name,
    /// What the account is for.
    pub description: String,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When a field or a permission last changed.
    pub updated_at: DateTime<Utc>,
}
