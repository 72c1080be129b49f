//! What the control plane remembers of the tokens it issued.

use chrono::{DateTime, Utc};
use warder_shared::id::TokenId;
use warder_shared::principal::Principal;
use warder_shared::token::TokenKind;

/// A personal access token or a token of a virtual account. The token itself is a JWT that is shown
/// once and stored nowhere: this is its `jti` and what people want to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The `jti` claim.
    pub id: TokenId,
    /// Whom the token acts as.
    pub owner: Principal,
    /// Name given by the person who made it; may be empty.
    pub name: String,
    /// Who made it; none: the bootstrap command.
    pub created_by: Option<Principal>,
    /// The `iat` claim.
    pub created_at: DateTime<Utc>,
    /// The `exp` claim.
    pub expires_at: DateTime<Utc>,
    /// When a token that was replaced is going to be revoked: the end of its grace period.
    pub retires_at: Option<DateTime<Utc>>,
    /// When the token was revoked. Never in the future.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl TokenRecord {
    /// The kind that follows from the owner.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        match self.owner {
            Principal::User(_) => TokenKind::Pat,
            Principal::VirtualAccount(_) => TokenKind::VirtualAccount,
        }
    }

    /// Whether the token is accepted at `now`.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none()
            && now < self.expires_at
            && self.retires_at.is_none_or(|retires_at| now < retires_at)
    }
}
