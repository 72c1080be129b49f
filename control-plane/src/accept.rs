//! What happens to every REST request before anybody asks who sent it: a request id, and the
//! headers that every answer carries.
//!
//! **Invariant:** nothing here knows a caller, a resource or the database.

mod client_address;
mod request_id;
mod security_headers;

pub use client_address::{ClientAddress, TrustedProxies, locate};
pub use request_id::{RequestId, identify};
pub use security_headers::{Https, harden};
