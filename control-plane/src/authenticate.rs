//! Who calls: with a personal access token or a token of a virtual account, or in the session of a person
//! who signed in.
//!
//! **Invariant:** a [`Caller`] exists only for a token that was verified here, whose record is live and
//! whose owner is active, or for a session of which the same holds. There is no anonymous caller (T8).

mod bearer;
mod caller;
pub mod cookies;
mod same_origin;
mod session;

pub use caller::{Caller, Credential, Unauthenticated};
pub use same_origin::X_CSRF_TOKEN;
pub use session::{Browser, NotSignedIn, SignedIn};
