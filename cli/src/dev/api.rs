//! Setting up through the REST API, without a network in between.

use anyhow::Context as _;
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use warder_control_plane::{
    app::App,
    authorize,
    service::{bootstrap, sign_in},
};

use super::{data_dir::DataDir, demo};

/// The administrator's token: that of an earlier start if it is still good, or a new one.
pub(super) async fn administrator(
    app: &App,
    directory: &DataDir,
    email: &str,
) -> anyhow::Result<SecretString> {
    if let Some(token) = directory.token()
        && call(app, &token, Method::GET, "/api/v1/me", None).await?.0 == StatusCode::OK
    {
        return Ok(token);
    }
    let email = email.parse().context("--admin-email")?;
    let issued =
        bootstrap::administrator_token(app.services(), &authorize::operator(), email).await?;
    directory
        .keep_token(&issued.token)
        .context("the token's file")?;
    Ok(issued.token)
}

/// Lets the administrator sign in to the console with the password of the data directory, unless they have
/// one already: their own stays.
pub(super) async fn first_password(
    app: &App,
    directory: &DataDir,
    email: &str,
) -> anyhow::Result<()> {
    let email = email.parse().context("--admin-email")?;
    let password = directory.password()?;
    sign_in::set_first_password(app.services(), &authorize::operator(), &email, password)
        .await
        .map(drop)
        .context("the administrator's password")
}

/// Registers the demo server, or tells of its new address. What was changed about it by hand stays.
pub(super) async fn register_demo(
    app: &App,
    token: &SecretString,
    url: &str,
) -> anyhow::Result<()> {
    let path = format!("/api/v1/mcp-servers/{}", demo::NAME);
    let (status, known) = call(app, token, Method::GET, &path, None).await?;
    if status == StatusCode::OK && known["url"] == url {
        return Ok(());
    }
    let server = json!({
        "type": "remote",
        "display_name": "Demo",
        "description": "A few harmless tools, and one that nobody may call",
        "url": url,
        "auth": {"type": "header", "level": "shared", "headers": {"X-Demo-Key": demo::KEY}},
        "tool_policy": {"enabled_by_default": true, "enabled": [], "disabled": ["delete_*"]},
        "collaborators": [{"subject": "team:everyone", "role": "mcp-server-user"}],
    });
    let (status, answer) = call(
        app,
        token,
        Method::PUT,
        &format!("{path}?confirm=true"),
        Some(server),
    )
    .await?;
    anyhow::ensure!(
        status.is_success(),
        "the demo server could not be registered: {status} {answer}"
    );
    Ok(())
}

async fn call(
    app: &App,
    token: &SecretString,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> anyhow::Result<(StatusCode, Value)> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", token.expose_secret()),
        )
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
    let response = app.rest().oneshot(request).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}
