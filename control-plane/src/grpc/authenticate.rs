//! Which pod calls.

use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::service::nodes::{Node, Nodes};

/// The pod whose credential a request carries as `authorization: Bearer …`.
pub(super) fn node(nodes: &Nodes, metadata: &MetadataMap) -> Result<Node, Status> {
    let refused = || Status::unauthenticated("the node credential is not valid");
    let mut values = metadata.get_all("authorization").iter();
    let value = values.next().ok_or_else(refused)?;
    if values.next().is_some() {
        return Err(refused());
    }
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Bearer "));
    nodes
        .authenticate(token.ok_or_else(refused)?)
        .map_err(|_| refused())
}
