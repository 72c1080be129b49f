//! Who calls the REST API: a personal access token or a token of a virtual account, and nothing else.
//!
//! **Invariant:** a [`Caller`] exists only for a token that was verified here, whose record is live and
//! whose owner is active. There is no anonymous caller (T8).

mod bearer;
mod caller;

pub use caller::{Caller, Unauthenticated};
