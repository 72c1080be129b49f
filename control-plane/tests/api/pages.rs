//! What holds for every page, whatever it is about (T60).

use serde_json::json;

use crate::{
    browser::{Browser, ORIGIN, PASSWORD},
    console::scene,
    support::server_body,
};

const ADA: &str = "ada@example.com";

/// Every page for whoever is signed in, where a server, a team, a virtual account and Bob are there.
const PAGES: &[&str] = &[
    "/",
    "/tokens",
    "/connections",
    "/account",
    "/admin/servers",
    "/admin/servers/demo",
    "/admin/users",
    "/admin/users/bob%40example.com",
    "/admin/teams",
    "/admin/teams/dev",
    "/admin/virtual-accounts",
    "/admin/virtual-accounts/robot",
    "/admin/audit-events",
];

type Fields = &'static [(&'static str, &'static str)];

/// Every form: where it is, where it goes, and fields with which it changes something.
const FORMS: &[(&str, &str, Fields)] = &[
    ("/", "/logout", &[]),
    ("/tokens", "/tokens", &[("name", "x"), ("expires_in", "1d")]),
    (
        "/connections",
        "/connections/demo",
        &[("KEY", "sk-1234567890")],
    ),
    ("/connections", "/connections/demo/forget", &[]),
    (
        "/account",
        "/account/password",
        &[
            ("old", PASSWORD),
            ("password", "another lamp, another river"),
        ],
    ),
    ("/account", "/account/sessions/end", &[("session", "all")]),
    (
        "/admin/teams",
        "/admin/teams",
        &[("key", "new"), ("manifest", "{}")],
    ),
    (
        "/admin/teams/dev",
        "/admin/teams/dev",
        &[("manifest", "{\"display_name\": \"x\"}"), ("tag", "")],
    ),
    (
        "/admin/teams/dev",
        "/admin/teams/dev/delete",
        &[("key", "dev"), ("tag", "")],
    ),
    (
        "/admin/users/bob%40example.com",
        "/admin/users/bob%40example.com/tokens",
        &[("name", "x"), ("expires_in", "1d")],
    ),
    (
        "/admin/identity-providers/idp",
        "/admin/identity-providers/idp/test",
        &[("token", "x")],
    ),
];

#[tokio::test]
async fn t60_every_page_says_what_it_may_do() {
    let scene = scene().await;
    let ada = Browser::signed_in(&scene, ADA).await;
    let stranger = Browser::new(&scene);
    let mut pages = vec![
        stranger.get("/login").await.expect(200),
        stranger.sign_in("x@example.com", "wrong").await.expect(401),
        ada.get("/admin/nothing").await.expect(404),
        ada.get("/admin/teams/nothing").await.expect(404),
        ada.post("/tokens", &[("csrf", "")], &[]).await.expect(403),
    ];
    for path in PAGES {
        pages.push(ada.get(path).await.expect(200));
    }
    for page in pages {
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                 base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'",
            ),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(
                page.headers.get(name).map(|value| value.to_str().unwrap()),
                Some(value),
                "{name}"
            );
        }
        for forbidden in ["<script", " style=", " on", "javascript:"] {
            let tags = page
                .text
                .split('<')
                .map(|tag| tag.split('>').next().unwrap_or_default());
            let found = tags
                .filter(|tag| format!("<{tag}").contains(forbidden))
                .collect::<Vec<_>>();
            assert!(found.is_empty(), "{forbidden}: {found:?}");
        }
    }
}

#[tokio::test]
async fn t60_no_form_works_from_another_page_or_session() {
    let scene = scene().await;
    let ada = Browser::signed_in(&scene, ADA).await;
    let bob = Browser::signed_in(&scene, "bob@example.com").await;
    let foreign = bob.get("/account").await;
    let own = ada.get("/account").await;
    let actions = scene.actions().await;
    for (_, action, fields) in FORMS {
        let tokens: [(&str, &[(&'static str, &str)]); 6] = [
            ("", &[("origin", ORIGIN)]),
            ("x", &[("origin", ORIGIN)]),
            (foreign.csrf(), &[("origin", ORIGIN)]),
            (own.csrf(), &[]),
            (own.csrf(), &[("origin", "https://evil.example")]),
            (
                own.csrf(),
                &[("sec-fetch-site", "cross-site"), ("origin", "null")],
            ),
        ];
        for (token, headers) in tokens {
            let fields = [&[("csrf", token)], *fields].concat();
            ada.post(action, &fields, headers).await.expect(403);
        }
        ada.post(action, fields, &[("origin", ORIGIN)])
            .await
            .expect(403);
        // Nobody is signed in: there is nothing to forge.
        Browser::new(&scene)
            .post(action, fields, &[("origin", ORIGIN)])
            .await
            .leads_to("/login");
    }
    assert_eq!(scene.actions().await, actions, "nothing has happened");
}

#[tokio::test]
async fn t60_what_others_wrote_is_text() {
    let payloads = payloads();
    assert_eq!(payloads.len(), 40);
    let scene = scene().await;
    let ada = Browser::signed_in(&scene, ADA).await;
    for (number, payload) in payloads.iter().enumerate() {
        let fields = server_body(json!({
            "display_name": payload, "description": payload,
            "collaborators": [{"subject": "team:everyone", "role": "mcp-server-user"}],
        }));
        scene
            .put(&scene.ada, &format!("/mcp-servers/s{number}"), fields)
            .await
            .expect(201);
        scene
            .put(
                &scene.ada,
                &format!("/teams/t{number}"),
                json!({"display_name": payload}),
            )
            .await
            .expect(201);
        scene
            .put(
                &scene.ada,
                &format!("/virtual-accounts/v{number}"),
                json!({"description": payload}),
            )
            .await
            .expect(201);
        let body = json!({"email": format!("u{number}@example.com"), "name": payload});
        scene.post(&scene.ada, "/users", body).await.expect(201);
        let body = json!({"name": payload});
        scene
            .post(&scene.ada, "/personal-access-tokens", body)
            .await
            .expect(201);
        for path in [
            format!("/admin/servers/s{number}"),
            format!("/admin/teams/t{number}"),
            format!("/admin/virtual-accounts/v{number}"),
            format!("/admin/users/u{number}%40example.com"),
        ] {
            shows_as_text(&ada.get(&path).await.expect(200).text, payload);
        }
    }
    for path in [
        "/",
        "/tokens",
        "/connections",
        "/admin/servers",
        "/admin/teams",
        "/admin/virtual-accounts",
        "/admin/users",
    ] {
        let mut path = path.to_owned();
        loop {
            let page = ada.get(&path).await.expect(200);
            for payload in &payloads {
                assert!(!holds_markup(&page.text, payload), "{path}: {payload}");
            }
            match page.after("<p><a class=\"button quiet\" href=\"", '"') {
                Some(next) => path = next.to_owned(),
                None => break,
            }
        }
    }
    // And what somebody enters comes back as text.
    let page = ada
        .fill(
            "/admin/teams",
            "/admin/teams",
            &[("key", "\"><script>"), ("manifest", "</textarea><script>")],
        )
        .await;
    assert!(!page.expect(400).text.contains("<script>"));
    let page = Browser::new(&scene).sign_in("\"><script>@x", "x").await;
    assert!(!page.expect(401).text.contains("<script>"));
    let page = ada
        .get("/admin/audit-events?subject=%22%3E%3Cscript%3E&server=%22%3E%3Cscript%3E")
        .await;
    assert!(!page.expect(400).text.contains("<script>"));
}

fn shows_as_text(page: &str, payload: &str) {
    assert!(!holds_markup(page, payload), "{payload}");
    let (marker, _) = payload.split_once(' ').unwrap();
    assert!(page.contains(marker), "{payload} is not on the page at all");
}

/// Whether a payload stands in a page unescaped, as far as it has anything to escape.
fn holds_markup(page: &str, payload: &str) -> bool {
    payload.contains(['<', '>', '"']) && page.contains(payload)
}

fn payloads() -> Vec<String> {
    let bodies = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "\"><b>x</b>",
        "'><b>x</b>",
        "</title><script>x1x1</script>",
        "</textarea><script>x2x2</script>",
        "<a href=javascript:alert(1)>click</a>",
        "<iframe srcdoc=\"<script>x3x3</script>\">",
        "<math><mtext></mtext><mglyph><style>x4x4",
        "<input autofocus onfocus=alert(1)>",
        "<details open ontoggle=alert(1)>",
        "<style>@import 'x5x5'</style>",
        "<link rel=stylesheet href=//evil>",
        "<base href=//evil>",
        "<meta http-equiv=refresh content=0>",
        "<form action=//evil>",
        "<object data=//evil>",
        "<embed src=//evil>",
        "<body onload=alert(1)>",
    ];
    let mut payloads: Vec<String> = bodies.iter().map(|body| (*body).to_owned()).collect();
    payloads.extend(
        bodies
            .iter()
            .map(|body| format!("{{{{7*7}}}}\"{}' {}", "&lt;", body.to_uppercase())),
    );
    let numbered = payloads.iter().enumerate();
    numbered
        .map(|(number, payload)| format!("marker{number} {payload}"))
        .collect()
}
