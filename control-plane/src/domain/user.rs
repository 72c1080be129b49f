//! People.

use chrono::{DateTime, Utc};
use warder_shared::id::UserId;

use super::email::Email;
use super::words;

/// A person who signs in, holds tokens and is named in access rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Never used again, even after the user is gone.
    pub id: UserId,
    /// Unique, in lower case.
    pub email: Email,
    /// Name shown to people.
    pub name: String,
    /// Sorted, without repetition, never empty.
    pub roles: Vec<TenantRole>,
    /// Whether the user's tokens are accepted.
    pub status: UserStatus,
    /// When the user was made.
    pub created_at: DateTime<Utc>,
    /// When a field last changed.
    pub updated_at: DateTime<Utc>,
}

impl User {
    /// Whether the user may do everything in the API.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.roles.contains(&TenantRole::Admin)
    }

    /// Whether the user's tokens are accepted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }
}

/// What a user may do in the API apart from the servers they collaborate on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantRole {
    /// Everything.
    Admin,
    /// Their own account, and the servers that name them.
    Member,
}

words!(TenantRole, "tenant role", { Admin => "admin", Member => "member" });

/// Whether a user's tokens are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserStatus {
    /// They are.
    Active,
    /// They are refused, but nothing is deleted.
    Disabled,
}

words!(UserStatus, "user status", { Active => "active", Disabled => "disabled" });
