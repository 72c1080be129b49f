//! The authorization server through the router, as clients and browsers see it.

mod metadata;
mod registration;
