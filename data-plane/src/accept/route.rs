//! Paths.

/// The server named by a path, if the path is one of an MCP endpoint.
///
/// Compared byte by byte, without decoding or normalizing anything: a server's name needs neither, so a
/// path with `%`, `//`, `..` or `;` names no server (T20). One slash at the end is tolerated, since
/// some clients add it and a redirect would lose their POST.
pub(crate) fn server(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/mcp/")?;
    let name = rest
        .strip_suffix('/')
        .unwrap_or(rest)
        .strip_suffix("/server")?;
    warder_shared::name::Name::is_valid(name).then_some(name)
}

/// A document that a client reads before it has a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Document {
    /// Metadata of a server as a protected resource (RFC 9728).
    ProtectedResource(String),
    /// Metadata of the authorization server (RFC 8414), for clients that look at the resource's origin.
    AuthorizationServer,
}

/// The document at a path: at the well-known place before the path of an MCP endpoint, at the one behind
/// it that some clients try, and, of the authorization server, at the origin itself. An origin with many
/// resources has no protected-resource document of its own.
pub(super) fn document(path: &str) -> Option<Document> {
    const WELL_KNOWN: &str = "/.well-known/";
    let (endpoint, name) = match path.strip_prefix(WELL_KNOWN) {
        Some(rest) => match rest.split_once('/') {
            Some((name, _)) => (&path[WELL_KNOWN.len() + name.len()..], name),
            None => ("", rest),
        },
        None => path.split_once(WELL_KNOWN)?,
    };
    let server = server(endpoint);
    match name {
        "oauth-protected-resource" => Some(Document::ProtectedResource(server?.to_owned())),
        "oauth-authorization-server" | "openid-configuration" => {
            (endpoint.is_empty() || server.is_some()).then_some(Document::AuthorizationServer)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn t20_a_path_is_exact_or_nothing() {
        assert_eq!(server("/mcp/git-hub/server"), Some("git-hub"));
        assert_eq!(server("/mcp/git-hub/server/"), Some("git-hub"));
        for path in [
            "/mcp/a/server",
            "/mcp/github/server//",
            "//mcp/github/server",
            "/mcp//github/server",
            "/mcp/github//server",
            "/MCP/github/server",
            "/mcp/GitHub/server",
            "/mcp/github/Server",
            "/mcp/./github/server",
            "/mcp/../github/server",
            "/mcp/x/../github/server",
            "/mcp/%67ithub/server",
            "/mcp/github%2fserver",
            "/mcp/github%00/server",
            "/mcp/github;x/server",
            "/mcp/github./server",
            "/mcp/github /server",
            "/mcp/github/server/x",
            "/mcp/github/server.",
            "/mcp/github",
            "/mcp/",
            "/mcp",
            "/",
            "",
            "*",
            "/mcp/gïthub/server",
            "/mcp/xn--github/server/..",
            "\\mcp\\github\\server",
            "/mcp/github/server%20",
            "/mcp/github/server;",
            "/mcp/-github/server",
        ] {
            assert_eq!(server(path), None, "{path}");
        }
    }

    #[test]
    fn documents_are_at_every_place_that_clients_try() {
        let notes = Some(Document::ProtectedResource("notes".into()));
        for path in [
            "/.well-known/oauth-protected-resource/mcp/notes/server",
            "/.well-known/oauth-protected-resource/mcp/notes/server/",
            "/mcp/notes/server/.well-known/oauth-protected-resource",
        ] {
            assert_eq!(document(path), notes, "{path}");
        }
        for name in ["oauth-authorization-server", "openid-configuration"] {
            for path in [
                format!("/.well-known/{name}"),
                format!("/.well-known/{name}/mcp/notes/server"),
                format!("/mcp/notes/server/.well-known/{name}"),
            ] {
                assert_eq!(
                    document(&path),
                    Some(Document::AuthorizationServer),
                    "{path}"
                );
            }
        }
        for path in [
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/",
            "/.well-known/oauth-protected-resource/mcp/Notes/server",
            "/.well-known/oauth-protected-resource/mcp/notes",
            "/.well-known/oauth-protected-resource/../mcp/notes/server",
            "/.well-known/oauth-authorization-server/",
            "/.well-known/openid-configuration/mcp/notes/server/x",
            "/.well-known/jwks.json",
            "/.well-known/",
            "/mcp/notes/server/.well-known/",
            "/mcp/notes/.well-known/oauth-protected-resource",
            "/mcp/notes/server/.well-known/oauth-protected-resource/x",
            "/mcp/notes/server",
        ] {
            assert_eq!(document(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn t20_only_the_exact_path_reaches_a_server(path in "(/|mcp|server|github|%2f|\\.\\.|[a-z]|;){0,8}") {
            if let Some(name) = server(&path) {
                prop_assert_eq!(path.trim_end_matches('/'), format!("/mcp/{name}/server"));
            }
        }
    }
}
