//! The pages, through their forms.

use serde_json::{Value, json};

use crate::{
    browser::{Browser, PASSWORD},
    support::{Scene, server_body},
};

const ADA: &str = "ada@example.com";

/// A server, a team, a virtual account and Bob are there.
pub(crate) async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.member("bob").await;
    scene.account("robot").await;
    scene
        .put(&scene.ada, "/teams/dev", json!({}))
        .await
        .expect(201);
    let fields = json!({
        "auth": {"type": "header", "level": "individual", "headers": {"Authorization": "Bearer {{KEY}}"}},
        "collaborators": [{"subject": "team:everyone", "role": "mcp-server-user"}],
    });
    scene.server("demo", fields).await;
    scene
}

#[tokio::test]
async fn a_token_made_on_the_page_works_and_is_shown_once() {
    let scene = scene().await;
    let bob = Browser::signed_in(&scene, "bob@example.com").await;
    let page = bob
        .fill(
            "/tokens",
            "/tokens",
            &[("name", "my laptop"), ("expires_in", "7d")],
        )
        .await
        .expect(200);
    let token = page.after("id=\"token\">", '<').unwrap().to_owned();
    let me = scene.get(&token, "/me").await.expect(200);
    assert_eq!(me.body["email"], "bob@example.com");
    let page = bob.get("/tokens").await.expect(200);
    assert!(page.text.contains("my laptop") && !page.text.contains(&token));
    let id = me.text("/token/id");
    // Nobody else's hand revokes it.
    let ada = Browser::signed_in(&scene, ADA).await;
    let eve = Browser::new(&scene);
    scene.member("eve").await;
    crate::browser::set_password(&scene, "eve@example.com").await;
    eve.sign_in("eve@example.com", PASSWORD).await.leads_to("/");
    eve.fill("/tokens", &format!("/tokens/{id}/revoke"), &[])
        .await
        .expect(404);
    scene.get(&token, "/me").await.expect(200);
    bob.submit(&page, &format!("/tokens/{id}/revoke"), &[])
        .await
        .leads_to("/tokens");
    scene
        .get(&token, "/me")
        .await
        .problem(401, "unauthenticated");
    let bad = bob
        .fill("/tokens", "/tokens", &[("name", ""), ("expires_in", "7d")])
        .await
        .expect(400);
    assert!(
        bad.text.contains("/name: must not be empty"),
        "{}",
        bad.text
    );
    drop(ada);
}

#[tokio::test]
async fn one_enters_and_deletes_ones_own_values() {
    let scene = scene().await;
    let bob = Browser::signed_in(&scene, "bob@example.com").await;
    let page = bob.get("/connections").await.expect(200);
    assert!(page.text.contains("authentication required"));
    bob.submit(&page, "/connections/demo", &[("KEY", "sk-bobs-own-key")])
        .await
        .leads_to("/connections");
    let page = bob.get("/connections").await.expect(200);
    assert!(
        page.text.contains(">authenticated<") && !page.text.contains("sk-bobs"),
        "{}",
        page.text
    );
    let bad = bob
        .submit(&page, "/connections/demo", &[("OTHER", "x")])
        .await
        .expect(400);
    assert!(bad.text.contains("no such placeholder"), "{}", bad.text);
    bob.submit(&page, "/connections/demo/forget", &[])
        .await
        .leads_to("/connections");
    let page = bob.get("/connections").await.expect(200);
    assert!(page.text.contains("authentication required"));
    bob.submit(&page, "/connections/nothing", &[("KEY", "x")])
        .await
        .expect(404);
}

#[tokio::test]
async fn administrators_look_after_everything_by_manifests() {
    let scene = scene().await;
    let ada = Browser::signed_in(&scene, ADA).await;
    let team = json!({"display_name": "Ops", "members": ["bob@example.com"]});
    let new = [("key", "ops"), ("manifest", &team.to_string())];
    ada.fill("/admin/teams", "/admin/teams", &new)
        .await
        .leads_to("/admin/teams/ops");
    let again = ada
        .fill("/admin/teams", "/admin/teams", &new)
        .await
        .expect(412);
    assert!(
        again.text.contains("role=\"alert\""),
        "a new one replaces nothing"
    );
    let stored = scene.get(&scene.ada, "/teams/ops").await.expect(200);
    assert_eq!(stored.body["members"], json!(["bob@example.com"]));

    // A change, a lost update, and what is wrong with a manifest.
    let page = ada.get("/admin/teams/ops").await.expect(200);
    let tag = page
        .after("name=\"tag\" value=\"", '"')
        .unwrap()
        .replace("&#34;", "\"");
    assert_eq!(tag, stored.tag());
    let save = async |manifest: &str| {
        ada.submit(
            &page,
            "/admin/teams/ops",
            &[("tag", tag.as_str()), ("manifest", manifest)],
        )
        .await
    };
    let bad = save(r#"{"members": ["nobody@example.com"], "display_name": "x"}"#)
        .await
        .expect(400);
    assert!(bad.text.contains("/members/0"), "{}", bad.text);
    let bad = save(r#"{"owner": 1}"#).await.expect(400);
    assert!(bad.text.contains("/owner"), "{}", bad.text);
    save("{").await.expect(400);
    save(r#"{"display_name": "Operations"}"#)
        .await
        .leads_to("/admin/teams/ops");
    let stale = save(r#"{"display_name": "Old"}"#).await.expect(412);
    assert!(stale.text.contains("Old"), "what was entered is not lost");
    assert_eq!(
        scene.get(&scene.ada, "/teams/ops").await.body["display_name"],
        "Operations"
    );

    let delete = async |key: &str| {
        ada.fill(
            "/admin/teams/ops",
            "/admin/teams/ops/delete",
            &[("tag", ""), ("key", key)],
        )
        .await
    };
    delete("dev").await.expect(400);
    scene.get(&scene.ada, "/teams/ops").await.expect(200);
    delete("ops").await.leads_to("/admin/teams");
    scene.get(&scene.ada, "/teams/ops").await.expect(404);

    let new = [
        ("key", "Dora+x@example.com"),
        ("manifest", r#"{"name": "Dora", "roles": ["member"]}"#),
    ];
    ada.fill("/admin/users", "/admin/users", &new)
        .await
        .leads_to("/admin/users/dora%2Bx%40example.com");
    let page = ada
        .get("/admin/users/dora%2Bx%40example.com")
        .await
        .expect(200);
    let change = [("tag", ""), ("manifest", r#"{"status": "disabled"}"#)];
    ada.submit(&page, "/admin/users/dora%2Bx%40example.com", &change)
        .await
        .leads_to("/admin/users/dora%2Bx%40example.com");
    assert_eq!(
        scene
            .get(&scene.ada, "/users/dora+x@example.com")
            .await
            .body["status"],
        "disabled"
    );
    let actions = scene.actions().await;
    for action in [
        "team.create",
        "team.update",
        "team.delete",
        "user.create",
        "user.update",
    ] {
        assert!(
            actions.iter().any(|known| known == action),
            "{action}: {actions:?}"
        );
    }
}

#[tokio::test]
async fn a_server_is_changed_without_entering_its_secrets_again() {
    let scene = scene().await;
    let ada = Browser::signed_in(&scene, ADA).await;
    scene.server("keyed", json!({"auth": {"type": "header", "level": "shared", "headers": {"X-Key": "sk-canary-1234"}}})).await;
    let page = ada.get("/admin/servers/keyed").await.expect(200);
    assert!(!page.text.contains("sk-canary"));
    let manifest = page
        .after("aria-describedby=\"manifest-hint\">", '<')
        .unwrap()
        .replace("&#34;", "\"");
    let tag = page
        .after("name=\"tag\" value=\"", '"')
        .unwrap()
        .replace("&#34;", "\"");
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["description"] = "changed".into();
    let save = async |manifest: &Value, more: &[(&str, &str)]| {
        let (text, page) = (manifest.to_string(), ada.get("/admin/servers/keyed").await);
        let fields = [&[("manifest", text.as_str())], more].concat();
        ada.submit(&page, "/admin/servers/keyed", &fields).await
    };
    save(&manifest, &[("tag", &tag)])
        .await
        .leads_to("/admin/servers/keyed");
    let view = scene
        .get(&scene.ada, "/mcp-servers/keyed")
        .await
        .expect(200);
    assert_eq!(view.body["description"], "changed");
    // What deletes a stored secret has to be confirmed.
    manifest["auth"] = json!({"type": "none"});
    let asked = save(&manifest, &[("tag", "")]).await.expect(409);
    assert!(
        asked
            .text
            .contains("This would delete: the stored header X-Key"),
        "{}",
        asked.text
    );
    assert!(asked.text.contains("name=\"confirm\""));
    save(&manifest, &[("tag", ""), ("confirm", "true")])
        .await
        .leads_to("/admin/servers/keyed");
    let view = scene
        .get(&scene.ada, "/mcp-servers/keyed")
        .await
        .expect(200);
    assert_eq!(view.body["auth"], json!({"type": "none"}));
}

#[tokio::test]
async fn administrators_make_tokens_of_accounts_and_users() {
    let scene = scene().await;
    let ada = Browser::signed_in(&scene, ADA).await;
    for (page, subject) in [
        ("/admin/virtual-accounts/robot", "virtual-account:robot"),
        ("/admin/users/bob%40example.com", "user:bob@example.com"),
    ] {
        let new = [("name", "pipeline"), ("expires_in", "1d")];
        let made = ada
            .fill(page, &format!("{page}/tokens"), &new)
            .await
            .expect(200);
        let token = made.after("id=\"token\">", '<').unwrap().to_owned();
        let me = scene.get(&token, "/me").await.expect(200);
        assert_eq!(me.body["subject"], subject);
        let shown = ada.get(page).await.expect(200);
        assert!(shown.text.contains("pipeline") && !shown.text.contains(&token));
        let revoke = format!("{page}/tokens/{}/revoke", me.text("/token/id"));
        ada.submit(&shown, &revoke, &[]).await.leads_to(page);
        scene
            .get(&token, "/me")
            .await
            .problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn t59_members_have_no_pages_of_administrators() {
    let scene = scene().await;
    let bob = Browser::signed_in(&scene, "bob@example.com").await;
    assert!(!bob.get("/").await.text.contains("/admin/"));
    for path in [
        "/admin/users",
        "/admin/users/ada%40example.com",
        "/admin/teams",
        "/admin/teams/dev",
        "/admin/virtual-accounts",
        "/admin/virtual-accounts/robot",
        "/admin/audit-events",
    ] {
        bob.get(path).await.expect(403);
    }
    scene.server("hidden", json!({})).await;
    bob.get("/admin/servers/hidden").await.expect(404);
    let page = bob.get("/admin/servers/demo").await.expect(200);
    assert!(!page.text.contains("collaborators"));
    let manifest = server_body(json!({})).to_string();
    let actions = scene.actions().await;
    for (action, fields) in [
        (
            "/admin/servers",
            vec![("key", "mine"), ("manifest", &*manifest)],
        ),
        (
            "/admin/servers/demo",
            vec![("tag", ""), ("manifest", &*manifest), ("confirm", "true")],
        ),
        (
            "/admin/servers/demo/delete",
            vec![("tag", ""), ("key", "demo")],
        ),
        (
            "/admin/users",
            vec![
                ("key", "x@example.com"),
                ("manifest", "{\"roles\": [\"admin\"]}"),
            ],
        ),
        (
            "/admin/users/bob%40example.com",
            vec![("tag", ""), ("manifest", "{\"roles\": [\"admin\"]}")],
        ),
        (
            "/admin/virtual-accounts/robot/tokens",
            vec![("name", "x"), ("expires_in", "1d")],
        ),
        (
            "/admin/users/ada%40example.com/tokens",
            vec![("name", "x"), ("expires_in", "1d")],
        ),
    ] {
        bob.submit(&page, action, &fields).await.expect(403);
    }
    assert_eq!(scene.actions().await, actions, "nothing has happened");
}

#[tokio::test]
async fn the_audit_log_is_filtered_and_paged() {
    let scene = scene().await;
    let ada = Browser::signed_in(&scene, ADA).await;
    for number in 0..60 {
        scene
            .put(&scene.ada, &format!("/teams/team{number}"), json!({}))
            .await
            .expect(201);
    }
    let page = ada.get("/admin/audit-events").await.expect(200);
    assert!(page.text.contains("team59") && !page.text.contains("team9<"));
    let next = page
        .after("href=\"/admin/audit-events?", '"')
        .unwrap()
        .replace("&#38;", "&");
    let page = ada
        .get(&format!("/admin/audit-events?{next}"))
        .await
        .expect(200);
    assert!(page.text.contains("team9<") && !page.text.contains("team59"));
    let page = ada
        .get("/admin/audit-events?server=demo&outcome=allowed&since=&until=&subject=&tool=")
        .await
        .expect(200);
    assert!(page.text.contains("mcp_server.create") && !page.text.contains("team.create"));
    let page = ada
        .get("/admin/audit-events?since=yesterday")
        .await
        .expect(400);
    assert!(page.text.contains("role=\"alert\""));
}
