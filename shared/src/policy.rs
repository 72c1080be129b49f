//! Who may use which tool: compiled once, decided on every call, the same code in both planes.
//!
//! What a caller may call is
//! *the union of what the matching collaborator entries allow*, minus *what any matching entry
//! denies*, minus *what the server switched off*. Deny always wins. A tool is listed exactly when it
//! may be called (AC-3).

use foldhash::HashMap;
use serde::{Deserialize, Serialize};

use crate::{
    id::TeamId,
    principal::{Principal, Subject},
};

mod pattern;

use pattern::PatternSet;

/// Which tools a server offers at all, before anybody's own rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolPolicy {
    /// Whether a tool named in neither list is on.
    pub enabled_by_default: bool,
    /// Patterns (`*` globs, case-sensitive) of tools that are on.
    pub enabled: Vec<String>,
    /// Patterns of tools that are off, whatever else names them.
    pub disabled: Vec<String>,
}

impl Default for ToolPolicy {
    fn default() -> Self {
        Self {
            enabled_by_default: true,
            enabled: Vec::new(),
            disabled: Vec::new(),
        }
    }
}

/// What a collaborator may do with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Use it.
    #[serde(rename = "mcp-server-user")]
    User,
    /// Edit it, its collaborators and others' overrides, delete it; and use it.
    #[serde(rename = "mcp-server-manager")]
    Manager,
}

/// One collaborator entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whom it speaks of.
    pub subject: Subject,
    /// What they may do with the server.
    pub role: Role,
    /// Patterns of the tools that they may call; `None`: every tool.
    pub tools: Option<Vec<String>>,
    /// Patterns of tools that they may not call.
    pub deny_tools: Vec<String>,
}

/// A server's tool policy and collaborators, ready to decide.
#[derive(Debug)]
pub struct ServerPolicy {
    enabled_by_default: bool,
    enabled: PatternSet,
    disabled: PatternSet,
    grants: HashMap<Subject, CompiledGrant>,
}

#[derive(Debug)]
struct CompiledGrant {
    role: Role,
    tools: Option<PatternSet>,
    deny_tools: PatternSet,
}

/// What one caller may do with one server.
#[derive(Debug)]
pub struct Access<'a> {
    policy: &'a ServerPolicy,
    grants: Vec<&'a CompiledGrant>,
}

/// Why a tool may not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The name is not one that MCP recommends (`[A-Za-z0-9_.-]{1,128}`, 2025-11-25): it could be
    /// read differently further on (T15).
    InvalidName,
    /// The server's `tool_policy.disabled` names it.
    ServerDisabled,
    /// The server's `tool_policy` does not enable it.
    ServerNotEnabled,
    /// A matching collaborator entry's `deny_tools` names it.
    Denied,
    /// No matching collaborator entry's `tools` names it.
    NotGranted,
}

impl Refusal {
    /// A stable word for audit and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidName => "invalid_name",
            Self::ServerDisabled => "server_disabled",
            Self::ServerNotEnabled => "server_not_enabled",
            Self::Denied => "denied",
            Self::NotGranted => "not_granted",
        }
    }
}

/// Longest pattern or tool name that is looked at.
pub const MAX_TOOL_NAME: usize = 128;

/// Whether a policy pattern can match a callable tool at all: 1 to 128 characters of
/// `[A-Za-z0-9_.-]` and `*`.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    (1..=MAX_TOOL_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte == b'*' || is_tool_byte(byte))
}

fn is_tool_name(text: &str) -> bool {
    (1..=MAX_TOOL_NAME).contains(&text.len()) && text.bytes().all(is_tool_byte)
}

const fn is_tool_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

impl ServerPolicy {
    /// Compiles what was stored. Of two entries for one subject the later counts; the store keeps
    /// them unique.
    #[must_use]
    pub fn compile(policy: &ToolPolicy, grants: &[Grant]) -> Self {
        Self {
            enabled_by_default: policy.enabled_by_default,
            enabled: PatternSet::compile(&policy.enabled),
            disabled: PatternSet::compile(&policy.disabled),
            grants: grants
                .iter()
                .map(|grant| {
                    let compiled = CompiledGrant {
                        role: grant.role,
                        tools: grant.tools.as_deref().map(PatternSet::compile),
                        deny_tools: PatternSet::compile(&grant.deny_tools),
                    };
                    (grant.subject, compiled)
                })
                .collect(),
        }
    }

    /// What the caller may do here, or `None` for someone to whom this server does not exist (AC-1).
    #[must_use]
    pub fn access(&self, principal: Principal, teams: &[TeamId]) -> Option<Access<'_>> {
        let mut grants: Vec<&CompiledGrant> = Vec::new();
        grants.extend(self.grants.get(&Subject::from(principal)));
        if matches!(principal, Principal::User(_)) {
            grants.extend(self.grants.get(&Subject::Everyone));
            grants.extend(
                teams
                    .iter()
                    .filter_map(|team| self.grants.get(&Subject::Team(*team))),
            );
        }
        (!grants.is_empty()).then_some(Access {
            policy: self,
            grants,
        })
    }
}

impl Access<'_> {
    /// The highest role of the matching entries.
    #[must_use]
    pub fn role(&self) -> Role {
        self.grants
            .iter()
            .map(|grant| grant.role)
            .max()
            .unwrap_or(Role::User)
    }

    /// Whether the caller may call the tool of this exact name.
    ///
    /// # Errors
    /// The first rule that refuses it.
    pub fn tool(&self, name: &str) -> Result<(), Refusal> {
        if !is_tool_name(name) {
            return Err(Refusal::InvalidName);
        }
        if self.policy.disabled.matches(name) {
            return Err(Refusal::ServerDisabled);
        }
        if !self.policy.enabled_by_default && !self.policy.enabled.matches(name) {
            return Err(Refusal::ServerNotEnabled);
        }
        if self
            .grants
            .iter()
            .any(|grant| grant.deny_tools.matches(name))
        {
            return Err(Refusal::Denied);
        }
        let granted =
            |grant: &&CompiledGrant| grant.tools.as_ref().is_none_or(|tools| tools.matches(name));
        if self.grants.iter().any(granted) {
            Ok(())
        } else {
            Err(Refusal::NotGranted)
        }
    }
}

#[cfg(test)]
mod tests;
