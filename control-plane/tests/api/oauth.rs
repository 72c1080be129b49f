//! The authorization server through the router, as clients and browsers see it.

mod client;
mod metadata;
mod registration;
mod authorize;
mod consent;
mod codes;
mod refreshing;
mod revocation;
mod documents;
mod quirks;
