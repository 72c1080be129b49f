//! What the official conformance suite says: a server behind the gateway is as good as without it, and the authorization server is one.

use e2e::browser::{Browser, Find, Profile};
use e2e::conformance::{AuthorizationServer, Player, gateway, server};
use e2e::gateway::Gateway;
use e2e::upstream::Conformance;
use e2e::warder::{Options, Warder};
use reqwest::Method;
use serde_json::json;

use crate::people::Person;
use crate::support::until_reachable;

/// How many scenarios a revision requires, and how many of them the server passes by itself; `tests/conformance/README.md` says why not all.
const FIGURES: [(&str, usize, usize); 2] = [("2025-11-25", 33, 33), ("2026-07-28", 50, 40)];

#[tokio::test]
async fn a_server_behind_the_gateway_passes_what_it_passes_alone() {
    let (warder, upstream) = tokio::join!(Warder::start(Options::default()), Conformance.start());
    let ann = warder.api.person("ann@example.com").await;
    let auth = json!({"type": "none"});
    warder
        .api
        .register("suite", upstream.url(), &auth, &[&ann])
        .await;
    until_reachable(&warder, "suite", &ann).await;
    let url = warder.gateway().url("suite");

    for (revision, scenarios, passed) in FIGURES {
        let alone = server(revision, upstream.url()).await;
        assert_eq!(
            (alone.0.len(), alone.passed()),
            (scenarios, passed),
            "{revision}: {:#?}",
            alone.failures()
        );
        let guarded = gateway(revision, &url, &ann.token).await;
        for (scenario, why) in guarded.failures() {
            assert!(
                alone.failures().contains_key(scenario),
                "{revision}: {scenario} passes without the gateway: {why:#?}"
            );
        }
        assert_eq!(
            guarded.0.len(),
            scenarios,
            "{revision}: {:?}",
            guarded.0.keys()
        );
    }
}

#[tokio::test]
async fn the_authorization_server_passes_the_official_suite_browser() {
    let (warder, browser) = tokio::join!(Warder::start(Options::default()), Browser::start());
    warder
        .api
        .register(
            "notes",
            "http://127.0.0.1:9/mcp",
            &json!({"type": "none"}),
            &[&warder.admin],
        )
        .await;
    let administrator = Person::with_password(&warder, "admin@example.com").await;
    let page = administrator
        .signed_in(&browser, &warder, Profile::default())
        .await;

    let issuer = warder.control_plane.public_url();
    let player = Player::reserve();
    let registration =
        json!({"redirect_uris": [player.redirect_uri()], "token_endpoint_auth_method": "none"});
    let registered = Gateway::new(issuer)
        .request_path(Method::POST, "/oauth/register")
        .header("content-type", "application/json")
        .message(&registration)
        .send()
        .await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let registered = registered.json();
    let target = AuthorizationServer {
        issuer,
        client_id: registered["client_id"].as_str().expect("a client id"),
        resource: &warder.gateway().url("notes"),
    };

    for revision in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let results = player
            .authorization_server(revision, target, async |url| {
                page.goto(&url).await;
                page.click(Find::Button("Allow")).await;
                page.wait_for_url(&player.redirect_uri()).await;
            })
            .await;
        assert!(results.failures().is_empty(), "{revision}: {results:#?}");
        let scenarios: Vec<_> = results.0.keys().map(String::as_str).collect();
        assert_eq!(
            scenarios,
            [
                "authorization-code-grant",
                "authorization-server-metadata-endpoint"
            ],
            "{revision}: {results:#?}"
        );
    }
}
