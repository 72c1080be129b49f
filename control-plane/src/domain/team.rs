//! Groups of people.

use chrono::{DateTime, Utc};
use warder_shared::id::TeamId;
use warder_shared::name::Name;

/// Users who share access rules. Its members are rows of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Never used again, even after the team is gone.
    pub id: TeamId,
    /// Unique and immutable; never [`Team::EVERYONE`].
    pub name: Name,
    /// Name shown to people.
    pub display_name: String,
    /// When the team was made.
    pub created_at: DateTime<Utc>,
    /// When a field or the membership last changed.
    pub updated_at: DateTime<Utc>,
}

impl Team {
    /// The name that always means all users and no virtual accounts, so that no team may take it.
    pub const EVERYONE: &'static str = "everyone";
}
