//! Paths.

/// The server named by a path, if the path is one of an MCP endpoint.
///
/// Compared byte by byte, without decoding or normalizing anything: a server's name needs neither, so a
/// path with `%`, `//`, `..` or `;` names no server (T20). One slash at the end is tolerated, since
/// some clients add it and a redirect would lose their POST.
pub(super) fn server(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/mcp/")?;
    let name = rest
        .strip_suffix('/')
        .unwrap_or(rest)
        .strip_suffix("/server")?;
    warder_shared::name::Name::is_valid(name).then_some(name)
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

    proptest! {
        #[test]
        fn t20_only_the_exact_path_reaches_a_server(path in "(/|mcp|server|github|%2f|\\.\\.|[a-z]|;){0,8}") {
            if let Some(name) = server(&path) {
                prop_assert_eq!(path.trim_end_matches('/'), format!("/mcp/{name}/server"));
            }
        }
    }
}
