//! Everything that is remembered, on SQLite or PostgreSQL.
//!
//! SQL lives here and nowhere else, one file per table, one text for both databases. A function that
//! reads takes anything that turns into a [`Conn`]: `&Store` for a statement of its own, `&mut Tx`
//! to read within a transaction. A function that writes takes `&mut Tx`, and records by itself what
//! pods must hear of it: callers need no [`Tx::record_change`] of their own.
//!
//! **Invariant:** committed changes have versions in the order of their commits.

mod db;
mod error;
mod query;
mod row;
mod subject;
mod migrations;
mod tx;
pub mod settings;
pub mod changes;
pub mod key_terms;
pub mod signing_keys;
pub mod session_keys;
pub mod sealed;
pub mod vault_ledger;
pub mod users;
pub mod teams;
pub mod virtual_accounts;
pub mod tokens;
pub mod servers;
pub mod collaborators;
pub mod auth_overrides;
pub mod audit_events;
pub mod sessions;
pub mod continuations;
pub mod user_passwords;
pub mod sign_in_attempts;
pub mod pending_sign_ins;
pub mod oauth_clients;
pub mod oauth_grants;
pub mod oauth_codes;
pub mod identity_providers;
pub mod identity_provider_keys;
pub mod identity_provider_mappings;
pub mod user_identities;

pub use db::Store;
pub use error::StoreError;
pub use query::Conn;
pub use row::Sealed;
pub use tx::Tx;

/// Answers of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
