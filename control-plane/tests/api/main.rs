//! The REST API through its front door: requests into the router, answers out, on SQLite.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;
mod browser;
mod description;
mod not_you;
mod requests;
mod users;
mod teams;
mod tokens;
mod virtual_accounts;
mod identity_providers;
mod identity_provider_test;
mod servers;
mod moves;
mod collaborators;
mod overrides;
mod decisions;
mod audit;
mod bootstrap;
mod sessions;
mod sign_in;
mod provider_sign_in;
mod oauth;
mod console;
mod pages;
