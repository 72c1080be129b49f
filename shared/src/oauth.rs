//! What Warder's authorization server and its protected resources say of themselves. Both planes publish the
//! same bytes, made from configured URLs, never from a request's `Host` (T45).

mod resource;
mod scope;

use serde::Serialize;

pub use resource::Resource;
pub use scope::{InvalidScopes, SCOPE_OFFLINE_ACCESS, SCOPE_READ, SCOPE_TOOLS, SCOPES, Scopes};

/// Metadata of the authorization server (RFC 8414, section 2; RFC 9207, section 3).
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizationServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    revocation_endpoint: String,
    jwks_uri: String,
    scopes_supported: [&'static str; 3],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    code_challenge_methods_supported: [&'static str; 1],
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
    // Parsers of OpenID Connect's metadata insist on these two (Discovery, section 3), although no ID tokens are issued.
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

impl AuthorizationServerMetadata {
    /// The metadata of the authorization server with this issuer, which is the control plane's public URL.
    #[must_use]
    pub fn of(issuer: &str) -> Self {
        const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];
        let at = |path: &str| format!("{issuer}{path}");
        Self {
            authorization_endpoint: at("/oauth/authorize"),
            token_endpoint: at("/oauth/token"),
            registration_endpoint: at("/oauth/register"),
            revocation_endpoint: at("/oauth/revoke"),
            jwks_uri: at("/.well-known/jwks.json"),
            scopes_supported: [SCOPE_READ, SCOPE_TOOLS, SCOPE_OFFLINE_ACCESS],
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: ["authorization_code", "refresh_token"],
            token_endpoint_auth_methods_supported: METHODS,
            revocation_endpoint_auth_methods_supported: METHODS,
            code_challenge_methods_supported: ["S256"],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: true,
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["EdDSA"],
            issuer: issuer.to_owned(),
        }
    }
}

/// Metadata of one server behind the gateway as a protected resource (RFC 9728, section 2).
#[derive(Debug, Clone, Serialize)]
pub struct ProtectedResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    scopes_supported: [&'static str; 2],
    bearer_methods_supported: [&'static str; 1],
    resource_name: String,
}

impl ProtectedResourceMetadata {
    /// The metadata of a server of this name, whether there is one or not: strangers read it.
    #[must_use]
    pub fn of(gateway_url: &str, issuer: &str, server: &str) -> Self {
        Self {
            resource: resource(gateway_url, server),
            authorization_servers: [issuer.to_owned()],
            scopes_supported: SCOPES,
            bearer_methods_supported: ["header"],
            resource_name: format!("MCP server {server}"),
        }
    }
}

/// The URL of a server behind the gateway: what a client types, and the audience of its tokens (RFC 8707).
#[must_use]
pub fn resource(gateway_url: &str, server: &str) -> String {
    format!("{gateway_url}/mcp/{server}/server")
}

/// Where the metadata of that resource is (RFC 9728, section 3.1).
#[must_use]
pub fn resource_metadata_url(gateway_url: &str, server: &str) -> String {
    format!("{gateway_url}/.well-known/oauth-protected-resource/mcp/{server}/server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t45_every_endpoint_is_below_the_issuer() {
        let document =
            serde_json::to_value(AuthorizationServerMetadata::of("https://warder.example"));
        let document = document.expect("JSON");
        assert_eq!(document["issuer"], "https://warder.example");
        for (name, value) in document.as_object().expect("an object") {
            assert!(!value.is_null(), "{name}");
            if name.ends_with("_endpoint") || name.ends_with("_uri") {
                let url = value.as_str().expect("a URL");
                assert!(url.starts_with("https://warder.example/"), "{name}: {url}");
            }
        }
    }

    #[test]
    fn a_resource_is_the_url_that_clients_type() {
        let document =
            ProtectedResourceMetadata::of("https://gw.example", "https://cp.example", "notes");
        assert_eq!(
            serde_json::to_value(document).expect("JSON"),
            serde_json::json!({
                "resource": "https://gw.example/mcp/notes/server",
                "authorization_servers": ["https://cp.example"],
                "scopes_supported": ["mcp:read", "mcp:tools"],
                "bearer_methods_supported": ["header"],
                "resource_name": "MCP server notes",
            })
        );
    }
}
