//! Warder's data plane: the way of one MCP call through the gateway.
//!
//! A call reads in one direction, *accept → authenticate → authorize → resolve → forward → audit*, and
//! each word is a module. [`pipeline`] calls them in that order.

pub mod config;
pub mod app;
mod pipeline;
mod accept;
mod metadata;
mod authenticate;
mod authorize;
mod resolve;
mod forward;
mod audit;
mod mcp;
mod sync;
mod link;
mod metrics;
mod error;
