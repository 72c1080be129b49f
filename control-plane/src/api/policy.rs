//! Who may do what, as a table to read aloud. [`crate::authorize`] decides; the tests hold every
//! operation of the API against this table, and the API description shows it.

/// Who may use an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every authenticated caller, about themselves.
    Oneself,
    /// Users about their own tokens; administrators about everyone's.
    TokenOwner,
    /// Administrators.
    Administrator,
    /// Callers with any role on the server; to everyone else it does not exist.
    ServerUser,
    /// Callers with any role on the server about themselves, its managers about everyone.
    ServerUserOrManager,
    /// Managers of the server; to callers without any role on it, it does not exist.
    ServerManager,
    /// Managers of the server; administrators, where there is none yet.
    ServerManagerOrCreator,
}

impl Access {
    /// The word in the API description.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oneself => "oneself",
            Self::TokenOwner => "token-owner",
            Self::Administrator => "administrator",
            Self::ServerUser => "server-user",
            Self::ServerUserOrManager => "server-user-or-manager",
            Self::ServerManager => "server-manager",
            Self::ServerManagerOrCreator => "server-manager-or-creator",
        }
    }
}

/// Every operation by its id. Administrators may use all of them.
pub const POLICY: &[(&str, Access)] = &[
    ("get_me", Access::Oneself),
    ("list_users", Access::Administrator),
    ("create_user", Access::Administrator),
    ("get_user", Access::Administrator),
    ("update_user", Access::Administrator),
    ("delete_user", Access::Administrator),
    ("list_teams", Access::Administrator),
    ("get_team", Access::Administrator),
    ("put_team", Access::Administrator),
    ("delete_team", Access::Administrator),
    ("list_personal_access_tokens", Access::TokenOwner),
    ("create_personal_access_token", Access::TokenOwner),
    ("get_personal_access_token", Access::TokenOwner),
    ("revoke_personal_access_token", Access::TokenOwner),
    ("list_virtual_accounts", Access::Administrator),
    ("get_virtual_account", Access::Administrator),
    ("put_virtual_account", Access::Administrator),
    ("delete_virtual_account", Access::Administrator),
    ("list_virtual_account_tokens", Access::Administrator),
    ("create_virtual_account_token", Access::Administrator),
    ("get_virtual_account_token", Access::Administrator),
    ("revoke_virtual_account_token", Access::Administrator),
    ("list_identity_providers", Access::Administrator),
    ("get_identity_provider", Access::Administrator),
    ("put_identity_provider", Access::Administrator),
    ("delete_identity_provider", Access::Administrator),
    ("test_identity_provider_token", Access::Administrator),
    ("list_mcp_servers", Access::Oneself),
    ("get_mcp_server", Access::ServerUser),
    ("put_mcp_server", Access::ServerManagerOrCreator),
    ("delete_mcp_server", Access::ServerManager),
    ("get_collaborators", Access::ServerManager),
    ("put_collaborators", Access::ServerManager),
    ("list_auth_overrides", Access::ServerUserOrManager),
    ("put_auth_override", Access::ServerUserOrManager),
    ("delete_auth_override", Access::ServerUserOrManager),
    ("list_connections", Access::Oneself),
    ("get_connection", Access::ServerUser),
    ("explain_authorization", Access::ServerUserOrManager),
    ("list_audit_events", Access::Administrator),
];

/// Who may use the operation of this id.
#[must_use]
pub fn access(operation_id: &str) -> Option<Access> {
    POLICY
        .iter()
        .find(|(id, _)| *id == operation_id)
        .map(|(_, access)| *access)
}
