//! The stories: what a person, an agent, an operator or an attacker does, and what must come of it.
//!
//! Every story starts the real binaries. Names begin with the row of the threat model that they cover, if there is one.

mod support;
mod people;

mod first_call;
mod sessions;
mod handles;
mod revocation;
mod static_stability;
mod withdrawn;
mod drain;
mod outbound;
mod client_headers;
mod raw_requests;
mod hostile_paths;
mod hostile_framing;
mod hostile_callers;
mod hostile_json;
mod hostile_encodings;
mod hostile_mirrors;
mod hostile_upstream;
mod node_credentials;
mod operations;
mod discovery;
mod vault_keys;
mod dev_command;
mod harness_sign_in;
mod oauth_clients;
mod pages;
mod conformance;
mod sign_in;
mod identity_providers;
