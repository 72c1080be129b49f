//! Every page, as somebody sees it on a telephone and on a desk, with scripts and without.

use std::collections::BTreeSet;

use e2e::browser::{Browser, Page, Profile};
use e2e::warder::{Options, Warder};
use serde_json::{Value, json};

use crate::people::Person;

const INSPECT: &str = include_str!("../node/inspect_page.js");
const WINDOWS: [(u32, u32); 2] = [(390, 844), (1280, 800)];

/// What must be among the pages that links lead to from the first one.
const FOR_EVERYBODY: &[&str] = &["/", "/tokens", "/connections", "/applications", "/account"];
const FOR_ADMINISTRATORS: &[&str] = &[
    "/admin/users",
    "/admin/teams",
    "/admin/virtual-accounts",
    "/admin/servers",
    "/admin/identity-providers",
    "/admin/audit-events",
];

#[tokio::test]
async fn every_page_can_be_read_and_used_browser() {
    let warder = Warder::start(Options::default()).await;
    furnish(&warder).await;
    let administrator = Person::with_password(&warder, "admin@example.com").await;
    let browser = Browser::start().await;

    let mut stumbles = Vec::new();
    for (name, profile) in [
        ("light", Profile::default()),
        (
            "dark",
            Profile {
                dark: true,
                javascript: false,
                ..Profile::default()
            },
        ),
    ] {
        let stranger = browser.open(profile).await;
        for path in ["/login", "/oauth/authorize"] {
            stumbles.extend(look(&stranger, &warder, path, name).await);
        }
        stranger.close().await;

        let page = administrator.signed_in(&browser, &warder, profile).await;
        let mut seen = BTreeSet::new();
        let mut waiting = vec!["/".to_owned()];
        while let Some(path) = waiting.pop() {
            if seen.insert(path.clone()) {
                stumbles.extend(look(&page, &warder, &path, name).await);
                waiting.extend(links(&page).await);
            }
        }
        for path in FOR_EVERYBODY.iter().chain(FOR_ADMINISTRATORS) {
            assert!(
                seen.contains(*path),
                "no link leads to {path}, only to {seen:?}"
            );
        }
        page.close().await;
    }
    assert!(stumbles.is_empty(), "{}", stumbles.join("\n"));
}

/// Looks at a page in every window, keeps a picture of each, and tells what is wrong with it.
async fn look(page: &Page, warder: &Warder, path: &str, name: &str) -> Vec<String> {
    let url = format!("{}{path}", warder.control_plane.public_url());
    let mut stumbles = Vec::new();
    for (width, height) in WINDOWS {
        page.resize(width, height).await;
        let status = page.goto(&url).await;
        let place = format!("{path} in {name} at {width}");
        if status >= 500 {
            stumbles.push(format!("{place}: {status}"));
        }
        let found = page.evaluate(INSPECT).await;
        let found = found.as_array().expect("the inspection is a list");
        stumbles.extend(found.iter().map(|what| format!("{place}: {what}")));
        // Chromium reports every status from 400 on as an error of its own.
        let complaints = page.complaints().await;
        let complaints = complaints.iter().filter(|complaint| {
            status < 400 || !complaint.contains("the server responded with a status of")
        });
        stumbles.extend(complaints.map(|complaint| format!("{place}: {complaint}")));
        let file = path.trim_matches('/').replace('/', "-");
        let file = if file.is_empty() { "home" } else { &file };
        page.screenshot(&format!("{file}-{name}-{width}")).await;
    }
    stumbles
}

/// The pages of ours that links on this one lead to.
async fn links(page: &Page) -> Vec<String> {
    let script =
        "[...document.links].filter((a) => a.origin === location.origin).map((a) => a.pathname)";
    let links = page.evaluate(script).await;
    let links = links.as_array().expect("links are a list").clone();
    links
        .iter()
        .filter_map(Value::as_str)
        // The style sheet and the like are no pages.
        .filter(|path| !path.starts_with("/assets/") && !path.starts_with("/api/"))
        .map(str::to_owned)
        .collect()
}

/// One of everything, with names as long as they may be.
async fn furnish(warder: &Warder) {
    let api = &warder.api;
    let long = "W".repeat(60);
    let ann = api
        .person("ann.with.a.rather.long.name@subsidiary.of.a.large.company.example.com")
        .await;
    api.put(
        "/teams/engineering",
        &json!({"display_name": long, "members": ["admin@example.com"]}),
    )
    .await;
    api.put(
        "/virtual-accounts/nightly-reports",
        &json!({"description": format!("{long} <b>bold</b>")}),
    )
    .await;
    let admin = "user:admin@example.com";
    for (name, auth) in [
        ("notes", json!({"type": "none"})),
        (
            "keys",
            json!({"type": "header", "level": "individual", "headers": {"X-Api-Key": "{{API_KEY}}"}}),
        ),
    ] {
        let server = json!({
            "type": "remote", "display_name": format!("{name} {long}"), "description": "<script>alert(1)</script>", "url": "http://127.0.0.1:9/mcp",
            "auth": auth, "collaborators": [{"subject": admin, "role": "mcp-server-manager"}, {"subject": ann.subject, "role": "mcp-server-user"}],
        });
        api.put(&format!("/mcp-servers/{name}"), &server).await;
    }
    api.personal_access_token("admin@example.com").await;
}
