//! Use cases, one file per noun.
//!
//! A use case that changes something takes a [`Permit`](crate::authorize::Permit), does its work in one
//! transaction and writes the audit record in the same one.
//!
//! **Invariant:** nothing here knows HTTP or gRPC, and SQL stays in [`crate::store`].

mod failure;
mod precondition;
mod services;
mod text;
mod bearer_secret;
pub mod words;
pub mod subjects;
pub mod me;
pub mod users;
pub mod teams;
pub mod issued;
pub mod personal_access_tokens;
pub mod virtual_accounts;
pub mod virtual_account_tokens;
pub mod identity_providers;
pub mod identities;
pub mod provider_keys;
pub mod identity_test;
pub mod servers;
pub mod collaborators;
pub mod overrides;
pub mod connections;
pub mod explain;
pub mod audit;
pub mod bootstrap;
pub mod sessions;
pub mod continuations;
pub mod passwords;
pub mod sign_in;
pub mod provider_sign_in;
pub mod oauth;
pub mod keys;
pub mod tokens;
pub mod nodes;
pub mod feed;
pub mod resolve;
pub mod audit_report;
pub mod vault_upkeep;

pub use bearer_secret::BearerSecret;
pub use failure::{
    Consequences, Failure, LostOverride, Violation, Violations, is_transient, pointer_step,
};
pub use precondition::{Fingerprint, Precondition};
pub use services::Services;
