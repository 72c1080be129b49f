//! What both planes of Warder import.
//!
//! **Invariant:** nothing enters this crate until both planes use it, and nothing here knows a
//! database, a REST resource or an MCP message.

pub mod clock;
pub mod id;
pub mod name;
pub mod principal;
pub mod policy;
pub mod token;
pub mod snapshot;
pub mod headers;
pub mod egress;
pub mod secret;
pub mod config;
pub mod telemetry;
pub mod readiness;
pub mod serve;
pub mod admin;
pub mod proto;

/// Chooses the one cryptography provider of the process. Called first in every `main`; a second call
/// changes nothing.
pub fn install_crypto() {
    // An error says only that one was chosen before.
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
