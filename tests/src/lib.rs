//! The harness of the end-to-end tests: it starts the real binaries, real MCP servers and real MCP clients,
//! and asks what happened on every side.
//!
//! Everything here fails by panicking with what was expected and what was seen: it is only ever called
//! by tests. Children are killed when their handle is dropped, and a failing test prints their logs.
//!
//! **Invariant:** depends on no other crate of ours. The tests go through the front door.

pub mod wait;
pub mod files;
pub mod ports;
pub mod process;
mod conversation;
pub mod certificates;
pub mod postgres;
pub mod api;
pub mod gateway;
pub mod event_stream;
pub mod raw;
pub mod recorded;
pub mod upstream;
pub mod identity_provider;
pub mod forgery;
pub mod browser;
pub mod sink;
pub mod clients;
pub mod oauth_clients;
pub mod conformance;
pub mod warder;
