//! What a client may do with a server: the scopes of an access token (RFC 6749 section 3.3).

use std::{fmt, str::FromStr};

/// Scope of the handshake, of lists, prompts, resources and streams.
pub const SCOPE_READ: &str = "mcp:read";

/// Scope of tool calls.
pub const SCOPE_TOOLS: &str = "mcp:tools";

/// Every scope that permits something, in the order in which they are written.
pub const SCOPES: [&str; 2] = [SCOPE_READ, SCOPE_TOOLS];

/// Asked for by clients that want a refresh token; permits nothing (OpenID Connect Core, section 11).
pub const SCOPE_OFFLINE_ACCESS: &str = "offline_access";

/// The scopes of an access token. The second contains the first, so two values are all there are, and
/// one is a part of the other exactly when it is not greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scopes {
    /// `mcp:read`: the handshake, lists, reads, prompts and streams.
    Read,
    /// `mcp:read mcp:tools`: calling tools as well.
    Tools,
}

/// The text is not the scopes of a token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the scopes of a token")]
pub struct InvalidScopes;

impl Scopes {
    /// What a request's `scope` comes to. Unknown scopes are dropped; a request without a known one gets
    /// all, since many clients send none, or only those of OpenID Connect.
    #[must_use]
    pub fn requested(scope: Option<&str>) -> Self {
        let mut known = scope
            .unwrap_or_default()
            .split(' ')
            .filter_map(|scope| match scope {
                SCOPE_READ => Some(Self::Read),
                SCOPE_TOOLS => Some(Self::Tools),
                _ => None,
            });
        let first = known.next().unwrap_or(Self::Tools);
        known.fold(first, Self::max)
    }

    /// The scopes, as a token and a token response name them.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => SCOPE_READ,
            Self::Tools => "mcp:read mcp:tools",
        }
    }

    /// Whether tools may be called.
    #[must_use]
    pub const fn allows_tools(self) -> bool {
        matches!(self, Self::Tools)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scopes {
    type Err = InvalidScopes;

    fn from_str(text: &str) -> Result<Self, InvalidScopes> {
        [Self::Read, Self::Tools]
            .into_iter()
            .find(|scopes| scopes.as_str() == text)
            .ok_or(InvalidScopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_ask_for_comes_to_something_that_works() {
        for (asked, got) in [
            (None, Scopes::Tools),
            (Some(""), Scopes::Tools),
            (Some("mcp:read"), Scopes::Read),
            (Some("mcp:tools"), Scopes::Tools),
            (Some("mcp:read mcp:tools offline_access"), Scopes::Tools),
            (Some("mcp:read offline_access openid"), Scopes::Read),
            (Some("offline_access"), Scopes::Tools),
            (Some("openid profile"), Scopes::Tools),
            (Some("MCP:READ"), Scopes::Tools),
        ] {
            assert_eq!(Scopes::requested(asked), got, "{asked:?}");
        }
    }

    #[test]
    fn scopes_have_one_spelling() {
        for scopes in [Scopes::Read, Scopes::Tools] {
            assert_eq!(scopes.as_str().parse(), Ok(scopes));
        }
        for text in ["", "mcp:tools", "mcp:tools mcp:read", "mcp:read ", "mcp:*"] {
            assert_eq!(text.parse::<Scopes>(), Err(InvalidScopes), "{text:?}");
        }
        assert!(Scopes::Read < Scopes::Tools);
        assert_eq!(Scopes::Tools.as_str(), SCOPES.join(" "));
    }
}
