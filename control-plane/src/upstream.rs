//! The control plane as a client of others' servers.
//!
//! **Invariant:** everything goes out through `warder_shared::egress`, within bounds of time and size, and no
//! redirect is followed.

pub mod token_endpoint;
