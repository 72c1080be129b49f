//! Who may do what in the REST API: from a [`Caller`](crate::authenticate::Caller) to a [`Permit`].
//!
//! **Invariant:** a [`Permit`] is made here and nowhere else, after the row that it speaks of was
//! loaded. To someone without any role on a server, the server does not exist.

mod permit;
mod tenant;
mod token;
mod server;

pub use permit::{Denied, Permit};
pub use server::{
    Explained, Managed, OverrideOf, PutTarget, Used, explained, managed, override_of, put_server,
    used,
};
pub use tenant::{Oneself, Operator, Tenant, administrator, oneself, operator};
pub use token::{AccessToken, TokenOwner, access_token, own_tokens, tokens_of};
