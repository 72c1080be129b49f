//! What both planes of Warder import.
//!
//! **Invariant:** nothing enters this crate until both planes use it, and nothing here knows a
//! database, a REST resource or an MCP message.

use std::{io::Write as _, process::ExitCode};

pub mod clock;
pub mod id;
pub mod name;
pub mod principal;
pub mod policy;
pub mod json;
pub mod token;
pub mod oauth;
pub mod identity_provider;
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

/// How a process ends: on failure with the whole cause in one line, for a log that reads alone.
#[must_use]
pub fn exit_code(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}").replace('\n', " ");
            // Nobody is left to be told that this could not be told.
            let _unheard = writeln!(std::io::stderr(), "error: {line}");
            ExitCode::FAILURE
        }
    }
}

/// Chooses the one cryptography provider of the process. Called first in every `main`; a second call
/// changes nothing.
pub fn install_crypto() {
    // An error says only that one was chosen before.
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
