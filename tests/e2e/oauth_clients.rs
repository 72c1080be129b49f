//! Clients that are given nothing but a server's URL: one visit of the browser, and they call tools until somebody forbids it.

use std::time::{Duration, Instant};

use e2e::browser::{Browser, Find, Page, Profile};
use e2e::identity_provider::{IdentityProvider, Settings};
use e2e::oauth_clients::{OAuthClient, Running, Said};
use e2e::upstream::{FastMcp, Upstream};
use e2e::wait::{self, PATIENCE, until_true};
use e2e::warder::{Options, Warder};
use serde_json::{Value, json};

use crate::people::Person;

/// A Warder with the server `notes`, which the collaborator may use, and a browser.
async fn scene(options: Options, collaborator: &str) -> (Warder, Upstream, Browser) {
    let (warder, upstream, browser) = tokio::join!(
        Warder::start(options),
        FastMcp::default().start(),
        Browser::start()
    );
    let server = json!({
        "type": "remote", "display_name": "Notes", "description": "", "url": upstream.url(), "auth": {"type": "none"},
        "collaborators": [{"subject": collaborator, "role": "mcp-server-user"}],
    });
    if let Some(team) = collaborator.strip_prefix("team:") {
        let path = format!("/teams/{team}");
        let team = json!({"display_name": team, "members": []});
        warder.api.put(&path, &team).await;
    } else {
        let email = collaborator.trim_start_matches("user:");
        warder.api.person(email).await;
    }
    warder.api.put("/mcp-servers/notes", &server).await;
    (warder, upstream, browser)
}

/// Waits for the client to ask for a browser, and returns what it wants to have opened.
async fn asked_to_open(client: &mut Running) -> String {
    match client.next().await {
        Said::Authorize(url) => url,
        other => panic!("the client does not ask for a browser: {other:?}"),
    }
}

/// Allows what the page asks for, and waits until the browser is back at the client.
async fn allow(page: &Page) {
    page.click(Find::Button("Allow")).await;
    wait::until_true("the browser is back at the client", PATIENCE, async || {
        page.url().await.contains("code=")
    })
    .await;
}

#[tokio::test]
async fn every_client_with_a_url_calls_a_tool_after_one_visit_browser() {
    let (warder, upstream, browser) = scene(Options::default(), "user:ann@example.com").await;
    let ann = Person::with_password(&warder, "ann@example.com").await;
    let url = warder.gateway().url("notes");

    let page = browser.open(Profile::default()).await;
    let mut clients = Vec::new();
    for (index, kind) in OAuthClient::ALL.into_iter().enumerate() {
        let mut client = Running::start(kind, &url).await;
        let authorize = asked_to_open(&mut client).await;
        assert!(
            authorize.starts_with(warder.control_plane.public_url()),
            "{authorize}"
        );
        assert_eq!(page.goto(&authorize).await, 200, "{kind:?}");
        if index == 0 {
            ann.sign_in_here(&page).await;
        }
        let consent = page.text(Find::Css("main")).await;
        assert!(consent.contains("Notes"), "{consent}");
        assert!(consent.contains("ann@example.com"), "{consent}");
        page.screenshot("consent").await;
        allow(&page).await;
        assert_eq!(client.next().await, Said::Connected, "{kind:?}");
        assert!(client.list().await.contains(&"echo".to_owned()), "{kind:?}");
        assert_eq!(
            client.call("echo", &json!({"text": "hello"})).await,
            "hello"
        );
        clients.push((kind, client));
    }
    // Pages of the clients themselves may say what they like.
    let complaints = page.complaints().await;
    let ours = |complaint: &&String| complaint.contains(warder.control_plane.public_url());
    let complaints: Vec<_> = complaints.iter().filter(ours).collect();
    assert!(complaints.is_empty(), "{complaints:?}");

    // What a client remembers is enough, without another visit, also when its access token is refused.
    for (kind, client) in clients.split_off(3) {
        client.spoil_access_token();
        let mut client = client.restart(kind, &url).await;
        assert_eq!(client.next().await, Said::Connected, "{kind:?}");
        assert_eq!(
            client.call("echo", &json!({"text": "again"})).await,
            "again",
            "{kind:?}"
        );
        clients.push((kind, client));
    }

    let (_, client) = clients.last().expect("there are clients");
    let token = client.access_token();
    warder
        .api
        .patch("/users/ann@example.com", &json!({"status": "disabled"}))
        .await;
    let since = Instant::now();
    until_refused(&warder, &token, Duration::from_secs(1)).await;
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    let before = upstream.calls().len();
    for (kind, client) in &mut clients {
        // Some ask for a new sign-in, some give up.
        let said = client.try_call("echo", &json!({"text": "no more"})).await;
        assert!(
            matches!(said, Said::Authorize(_) | Said::Failed(_)),
            "{kind:?}: {said:?}"
        );
    }
    assert_eq!(upstream.calls().len(), before);
}

/// Waits until the gateway refuses this access token.
async fn until_refused(warder: &Warder, token: &str, within: Duration) -> Duration {
    until_true("the access token is refused", within, async || {
        let answer = warder
            .gateway()
            .call("notes", token, "echo", &json!({"text": "x"}))
            .await;
        answer.status == 401
    })
    .await
}

#[tokio::test]
async fn a_client_is_let_in_by_the_identity_provider_browser() {
    let (warder, _upstream, browser) = scene(Options::default(), "team:engineering").await;
    let public_url = warder.control_plane.public_url();
    let callback = format!("{public_url}/login/company/callback");
    let settings = Settings::default()
        .web_client("warder", "warder-secret", &[&callback])
        .interactive();
    let provider = IdentityProvider::start(settings).await;
    let configuration: Value = json!({
        "display_name": "Company", "issuer": provider.issuer(), "audiences": [e2e::identity_provider::RESOURCE],
        "resolve_to": {"type": "user", "identify_by": "email", "team_claim": "groups", "provisioning": "jit", "email_domains": ["example.com"]},
        "login": {"enabled": true, "client_id": "warder", "client_secret": "warder-secret"},
    });
    warder
        .api
        .put("/identity-providers/company", &configuration)
        .await;
    warder
        .api
        .put("/teams/engineering", &json!({"display_name": "Engineering", "members": [], "identity_provider_mapping": [{"identity_provider": "company", "value": "engineering"}]}))
        .await;

    let mut client =
        Running::start(OAuthClient::TypeScript2Auto, &warder.gateway().url("notes")).await;
    let page = browser
        .open(Profile {
            javascript: false,
            ..Profile::default()
        })
        .await;
    page.goto(&asked_to_open(&mut client).await).await;
    page.click(Find::Link("Sign in with Company")).await;
    page.fill(Find::Label("Username"), "alice").await;
    page.click(Find::Button("Sign in")).await;
    page.click(Find::Button("Continue")).await;
    assert!(
        page.text(Find::Css("main"))
            .await
            .contains("alice@example.com")
    );
    allow(&page).await;
    assert_eq!(client.next().await, Said::Connected);
    assert_eq!(
        client.call("echo", &json!({"text": "hello"})).await,
        "hello"
    );

    // Bob is in no team that may use the server.
    let mut client = Running::start(OAuthClient::TypeScript1, &warder.gateway().url("notes")).await;
    let page = browser.open(Profile::default()).await;
    page.goto(&asked_to_open(&mut client).await).await;
    page.click(Find::Link("Sign in with Company")).await;
    page.fill(Find::Label("Username"), "bob").await;
    page.click(Find::Button("Sign in")).await;
    page.click(Find::Button("Continue")).await;
    assert_eq!(
        page.count(Find::Button("Allow")).await,
        0,
        "{}",
        page.html().await
    );
}
