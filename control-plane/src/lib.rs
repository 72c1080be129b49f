//! Warder's control plane: it owns every fact.
//!
//! Surfaces ([`api`], [`grpc`]) speak HTTP and gRPC and nothing else; [`service`] does the work, with a
//! permit from [`authorize`]; [`store`] and [`vault`] keep what there is. Arrows point down only.

pub mod config;
pub mod app;
pub mod router;
pub mod accept;
pub mod authenticate;
pub mod authorize;
pub mod api;
pub mod html;
mod console;
pub mod oauth;
pub mod grpc;
pub mod service;
pub mod domain;
pub mod store;
pub mod vault;
pub mod upstream;
pub mod jobs;
