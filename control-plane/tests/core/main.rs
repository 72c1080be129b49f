//! What is below the surfaces: the store, and what stands on it for pods.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;
mod store;
mod planes;
