//! What the control plane does for pods: keys, tokens, the change feed, credentials, reports, and the gRPC
//! services in front of them.

mod scene;
mod keys;
mod tokens;
mod feed;
mod nodes;
mod resolve;
mod audit_report;
mod grpc;
mod identities;
mod provider_keys;
