//! A small MCP server to try the gateway on, of every revision that the Rust SDK speaks.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use rmcp::{
    ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{ServerCapabilities, ServerConfig},
    schemars, tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use warder_shared::serve::{self, Drain};

/// Name under which it is registered.
pub(super) const NAME: &str = "demo";

/// The key without which it answers nobody: the gateway attaches it.
pub(super) const KEY: &str = "demo-key-known-to-the-gateway";

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Text {
    /// What to say.
    text: String,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Numbers {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

#[derive(Clone)]
struct Demo {
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Demo {
    #[tool(description = "Says what it was told")]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }

    #[tool(description = "Adds two numbers")]
    fn add(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> String {
        (a + b).to_string()
    }

    #[tool(
        description = "Switched off by the server's tool policy: neither listed nor callable through the gateway"
    )]
    fn delete_everything(&self) -> String {
        "nothing was deleted".into()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions("Tools for trying out the gateway")
    }
}

/// Where it is.
pub(super) fn url(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}/mcp", listener.local_addr()?))
}

/// Serves until `stop`.
pub(super) async fn serve(listener: TcpListener, stop: CancellationToken) {
    let mut config = StreamableHttpServerConfig::default();
    config.cancellation_token = stop.clone();
    // Answers in plain JSON, without a handshake, so that one curl is a call.
    config.legacy_session_mode = false;
    config.json_response = true;
    let service = StreamableHttpService::new(
        || {
            Ok(Demo {
                tool_router: Demo::tool_router(),
            })
        },
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let router = Router::new()
        .nest_service("/mcp", service)
        .layer(middleware::from_fn(only_with_key));
    let drain = Drain {
        started: stop,
        timeout: std::time::Duration::from_secs(1),
    };
    serve::serve_router(listener, router, &drain).await;
}

async fn only_with_key(request: Request, next: Next) -> Response {
    let known = request
        .headers()
        .get("x-demo-key")
        .is_some_and(|key| key == KEY);
    if known {
        next.run(request).await
    } else {
        (
            StatusCode::UNAUTHORIZED,
            "the X-Demo-Key header is missing\n",
        )
            .into_response()
    }
}
