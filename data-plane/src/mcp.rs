//! MCP messages: reading them strictly, changing them without loss, and the ids that clients hold.
//!
//! **Invariant:** no IO, and nothing of ours is imported but `shared`'s plain types.

pub(crate) mod strict;
pub(crate) mod method;
pub(crate) mod message;
pub(crate) mod revision;
pub(crate) mod mirror;
pub(crate) mod parameters;
pub(crate) mod response;
pub(crate) mod object;
pub(crate) mod list;
pub(crate) mod unknown_tool;
pub(crate) mod sse;
pub(crate) mod session;
pub(crate) mod handle;
