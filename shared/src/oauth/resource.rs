//! What an access token is for: one server, or the gateway as a whole (RFC 8707).

use url::Url;

use crate::{
    egress,
    name::{Name, ServerName},
};

/// What an access token is for: its audience.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Every server that the user may use.
    Gateway,
    /// One server.
    Server(ServerName),
}

impl Resource {
    /// The resource that a `resource` parameter names; none when it is not one of this gateway.
    ///
    /// The case of scheme and host, the default port and one slash at the end are tolerated, since clients
    /// differ in them; nothing else is.
    #[must_use]
    pub fn parse(text: &str, gateway_url: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || authority.contains('@') {
            return None;
        }
        let origin = Url::parse(&format!("{scheme}://{authority}")).ok()?;
        if egress::origin(&origin) != gateway_url {
            return None;
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Some(Self::Gateway);
        }
        let name: Name = server_in(path.strip_prefix('/')?)?.parse().ok()?;
        Some(Self::Server(name))
    }

    /// Its one spelling: the audience of tokens for it.
    #[must_use]
    pub fn url(&self, gateway_url: &str) -> String {
        match self {
            Self::Gateway => gateway_url.to_owned(),
            Self::Server(name) => super::resource(gateway_url, name.as_str()),
        }
    }

    /// Whether an audience of this gateway, in its one spelling, covers one of its servers.
    #[must_use]
    pub fn covers(audience: &str, server: &str) -> bool {
        let after_scheme = audience.split_once("://").map_or("", |(_, rest)| rest);
        match after_scheme.split_once('/') {
            None => !after_scheme.is_empty(),
            Some((_, path)) => server_in(path) == Some(server),
        }
    }

    /// Whether an audience, in its one spelling, is of this gateway at all.
    #[must_use]
    pub fn is_of(audience: &str, gateway_url: &str) -> bool {
        audience.strip_prefix(gateway_url).is_some_and(|rest| {
            let server = rest.strip_prefix('/').and_then(server_in);
            rest.is_empty() || server.is_some_and(Name::is_valid)
        })
    }
}

/// The name in the path of a server, without the slash that it begins with.
fn server_in(path: &str) -> Option<&str> {
    path.strip_prefix("mcp/")?.strip_suffix("/server")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "https://gateway.example.com";

    fn parse(text: &str) -> Option<String> {
        Resource::parse(text, GATEWAY).map(|resource| resource.url(GATEWAY))
    }

    #[test]
    fn a_resource_has_few_spellings() {
        let demo = Some(format!("{GATEWAY}/mcp/demo/server"));
        for text in [
            "https://gateway.example.com/mcp/demo/server",
            "https://gateway.example.com/mcp/demo/server/",
            "HTTPS://Gateway.Example.COM/mcp/demo/server",
            "https://gateway.example.com:443/mcp/demo/server",
        ] {
            assert_eq!(parse(text), demo, "{text}");
        }
        for text in [GATEWAY, "https://gateway.example.com/"] {
            assert_eq!(parse(text).as_deref(), Some(GATEWAY), "{text}");
        }
        for text in [
            "",
            "demo",
            "/mcp/demo/server",
            "http://gateway.example.com/mcp/demo/server",
            "https://gateway.example.com//",
            "https://gateway.example.com/mcp/demo/server//",
            "https://gateway.example.com/mcp/demo/server?x",
            "https://gateway.example.com/mcp/demo/server#x",
            "https://gateway.example.com/mcp/demo",
            "https://gateway.example.com/mcp/Demo/server",
            "https://gateway.example.com/MCP/demo/server",
            "https://gateway.example.com/mcp/../mcp/demo/server",
            "https://gateway.example.com/mcp/%64emo/server",
            "https://gateway.example.com\\mcp\\demo\\server",
            "https://gateway.example.com:8443/mcp/demo/server",
            "https://gateway.example.com.evil.example/mcp/demo/server",
            "https://gateway.example.com@evil.example/mcp/demo/server",
            "https://evil.example/mcp/demo/server",
            "https://user@gateway.example.com/mcp/demo/server",
            "https:///mcp/demo/server",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn t11_an_audience_covers_its_server_only() {
        let covers = |audience: &str| {
            Resource::is_of(audience, GATEWAY) && Resource::covers(audience, "demo")
        };
        assert!(covers(GATEWAY));
        assert!(covers("https://gateway.example.com/mcp/demo/server"));
        for audience in [
            "https://gateway.example.com/mcp/other/server",
            "https://gateway.example.com/mcp/demo/server/",
            "https://gateway.example.com/mcp/x/mcp/demo/server",
            "https://gateway.example.com/mcp/a/b/server",
            "https://gateway.example.com/",
            "https://gateway.example.com.evil.example",
            "https://gateway.example.commcp/demo/server",
            "https://other.example.com/mcp/demo/server",
            "",
        ] {
            assert!(!covers(audience), "{audience}");
        }
    }
}
