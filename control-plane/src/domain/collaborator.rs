//! Who may use or manage a server.

use warder_shared::id::ServerId;
use warder_shared::policy::Grant;

/// One access rule of one server. A virtual account's permissions are the same rows seen from the
/// other side.
#[derive(Debug, Clone, PartialEq)]
pub struct Collaborator {
    /// The server that the rule is about.
    pub server_id: ServerId,
    /// Whom it names, their role, and which tools.
    pub grant: Grant,
}
