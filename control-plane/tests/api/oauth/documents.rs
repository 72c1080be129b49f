//! Clients that are described by a document at their id.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    response::{IntoResponse as _, Redirect},
    routing::get,
};
use serde_json::json;
use tokio::net::TcpListener;
use warder_shared::serve::{Drain, serve_router};

use super::client::{ADA, Client, REDIRECT};
use crate::{browser::Browser, support::Scene};

/// A host of documents, and how many were asked for.
struct Host {
    origin: String,
    asked: Arc<AtomicUsize>,
    drain: Drain,
}

impl Host {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let document = |path: &str, more: serde_json::Value| {
            let mut document = json!({
                "client_id": format!("{origin}{path}"),
                "client_name": "Claude Code",
                "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
                "token_endpoint_auth_method": "none",
            });
            document
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            document
        };
        let serve = |document: serde_json::Value| {
            let count = count.clone();
            get(async move || {
                count.fetch_add(1, Ordering::Relaxed);
                Json(document)
            })
        };
        let router = Router::new()
            .route("/client.json", serve(document("/client.json", json!({}))))
            .route("/other.json", serve(document("/client.json", json!({}))))
            .route(
                "/big.json",
                serve(document("/big.json", json!({"x": "x".repeat(11_000)}))),
            )
            .route(
                "/secret.json",
                serve(document(
                    "/secret.json",
                    json!({"token_endpoint_auth_method": "client_secret_post"}),
                )),
            )
            .route(
                "/uris.json",
                serve(document(
                    "/uris.json",
                    json!({"redirect_uris": ["javascript:alert(1)"]}),
                )),
            )
            .route("/text.json", get(async || "{}"))
            .route(
                "/moved.json",
                get(async || Redirect::temporary("/client.json").into_response()),
            );
        let drain = Drain::new(Duration::from_secs(1));
        let stopping = drain.clone();
        tokio::spawn(async move { serve_router(listener, router, &stopping).await });
        Self {
            origin,
            asked,
            drain,
        }
    }

    fn client(&self, path: &str) -> Client {
        Client {
            id: format!("{}{path}", self.origin),
            secret: None,
            redirect_uri: REDIRECT.to_owned(),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.drain.started.cancel();
    }
}

#[tokio::test]
async fn t42_claude_code_is_described_by_a_document_with_portless_addresses() {
    let (scene, host) = (Scene::with_loopback().await, Host::start().await);
    let rule = json!([{"subject": "user:ada@example.com", "role": "mcp-server-user"}]);
    scene.server("demo", json!({"collaborators": rule})).await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let client = host.client("/client.json");
    let page = browser.get(&client.path(&[])).await.expect(200);
    assert!(
        page.text
            .contains("described by <strong>127.0.0.1</strong>"),
        "{}",
        page.text
    );
    assert!(page.text.contains("any program could pretend to be it"));
    assert!(!page.text.contains("Unverified"));
    let code = client.code(&browser, &[]).await;
    let answer = client.redeem(&scene, &code).await.expect(200);
    client
        .refresh(&scene, &answer.text("/refresh_token"))
        .await
        .expect(200);
    assert_eq!(host.asked.load(Ordering::Relaxed), 1, "it is remembered");
    let bad = client.path(&[("redirect_uri", Some("http://127.0.0.1:1/other"))]);
    browser.get(&bad).await.expect(400);
    for path in [
        "/other.json",
        "/big.json",
        "/secret.json",
        "/uris.json",
        "/text.json",
        "/moved.json",
        "/missing.json",
    ] {
        let page = browser.get(&host.client(path).path(&[])).await.expect(400);
        assert_eq!(page.location(), None, "{path}");
    }
    // It has no secret to show.
    let liar = Client {
        secret: Some("x".into()),
        ..client
    };
    liar.refresh(&scene, "x").await.expect(401);
}

#[tokio::test]
async fn t42_no_document_is_fetched_from_where_nobody_may_dial() {
    let (scene, host) = (Scene::new().await, Host::start().await);
    let browser = Browser::signed_in(&scene, ADA).await;
    let port = host.origin.rsplit(':').next().unwrap();
    for id in [
        format!("http://127.0.0.1:{port}/client.json"),
        format!("https://127.0.0.1:{port}/client.json"),
        format!("https://localhost:{port}/client.json"),
        format!("http://localhost:{port}/client.json"),
        format!("https://[::1]:{port}/client.json"),
        format!("https://[::ffff:127.0.0.1]:{port}/client.json"),
        format!("https://0.0.0.0:{port}/client.json"),
        format!("https://2130706433:{port}/client.json"),
        "https://169.254.169.254/latest/meta-data".into(),
        "https://10.0.0.1/client.json".into(),
        "https://192.168.0.1/client.json".into(),
        "https://[fd00::1]/client.json".into(),
        "http://1.1.1.1/client.json".into(),
        format!("https://user@127.0.0.1:{port}/client.json"),
        "file:///etc/passwd".into(),
    ] {
        let client = Client {
            id,
            ..host.client("")
        };
        let page = browser.get(&client.path(&[])).await.expect(400);
        assert_eq!(page.location(), None, "{}", client.id);
    }
    assert_eq!(host.asked.load(Ordering::Relaxed), 0);
}
