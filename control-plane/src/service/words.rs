//! The closed lists of words in requests and answers, for the API description.

use utoipa::ToSchema;

/// What a user may do in the API apart from the servers they collaborate on.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TenantRole {
    /// Everything.
    Admin,
    /// Their own account, and the servers that name them.
    Member,
}

/// Whether a user's tokens are accepted.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    /// They are.
    Active,
    /// They are refused, but nothing is deleted.
    Disabled,
}

/// What a collaborator may do with a server.
#[derive(ToSchema)]
pub enum ServerRole {
    /// Use it.
    #[serde(rename = "mcp-server-user")]
    User,
    /// Edit it, its collaborators and others' overrides, delete it; and use it.
    #[serde(rename = "mcp-server-manager")]
    Manager,
}

/// How something ended.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was permitted and done.
    Allowed,
    /// Policy or authentication refused it.
    Denied,
    /// It was permitted, but could not be carried out.
    Failed,
}

/// Which tools a server offers at all.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes warder_shared::policy::ToolPolicy")]
pub struct ToolPolicy {
    /// Whether a tool named in neither list is on.
    #[schema(default = true)]
    enabled_by_default: Option<bool>,
    /// Patterns (`*` globs, case-sensitive) of tools that are on.
    enabled: Option<Vec<String>>,
    /// Patterns of tools that are off, whatever else names them.
    disabled: Option<Vec<String>>,
}

/// Milliseconds; absent means the gateway's default.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes domain::Timeouts")]
pub struct Timeouts {
    /// Until a connection stands: at most a minute.
    connect_ms: Option<u32>,
    /// From the request's last byte to the response's first: at most an hour.
    response_ms: Option<u32>,
    /// Longest silence inside a response body or stream: at most a day.
    idle_ms: Option<u32>,
}

/// What a person of an identity provider is known by when they come for the first time.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentifyBy {
    /// The address that the provider vouches for: links to the user who has it.
    Email,
    /// Provider and `sub`: a user of their own.
    Subject,
}

/// What happens to a person of an identity provider who has no user yet.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provisioning {
    /// They get one.
    Jit,
    /// They are refused until an administrator made one.
    InviteOnly,
}
