//! Keys of the control plane, without their secret halves.

use chrono::{DateTime, Utc};

/// A key that signs tokens. Its private half is sealed in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// The `kid` header (RFC 7515, section 4.1.4).
    pub kid: String,
    /// JWS algorithm (RFC 7518); always `EdDSA` for now.
    pub algorithm: String,
    /// Ed25519 public key, 32 bytes (RFC 8037).
    pub public_key: Vec<u8>,
    /// When the key was made and published.
    pub created_at: DateTime<Utc>,
    /// From when on it signs: later than `created_at`, so that every pod knows it first.
    pub active_from: DateTime<Utc>,
    /// When a newer key took over signing.
    pub retired_at: Option<DateTime<Utc>>,
    /// When the last token it may have signed has expired; set with `retired_at`.
    pub verify_until: Option<DateTime<Utc>>,
}

/// A key that seals the session ids handed to clients. The key itself is sealed in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKeyRecord {
    /// Named in every session id that it seals.
    pub id: String,
    /// When the key was made and published.
    pub created_at: DateTime<Utc>,
    /// From when on it seals: later than `created_at`, so that every pod knows it first.
    pub active_from: DateTime<Utc>,
    /// When a newer key took over sealing; it still opens for a while.
    pub retired_at: Option<DateTime<Utc>>,
}
