//! Somebody signs in with a real browser, makes a token on the page, and is out the moment they are disabled.

use e2e::browser::{Browser, Find, Profile};
use e2e::wait::{PATIENCE, until_true};
use serde_json::json;

use crate::people::Person;
use crate::raw_requests::scene;

#[tokio::test]
async fn t60_a_person_signs_in_makes_a_token_and_is_out_once_disabled_browser() {
    let scene = scene().await;
    let (warder, api) = (&scene.warder, &scene.warder.api);
    let payload = "<img src=x onerror=alert(1)>";
    api.patch("/users/ann@example.com", &json!({"name": payload}))
        .await;
    let ann = Person::with_password(warder, "ann@example.com").await;
    let browser = Browser::start().await;
    let public_url = warder.control_plane.public_url();

    // Whoever is not signed in comes back to where they wanted to go.
    let page = browser.open(Profile::default()).await;
    page.goto(&format!("{public_url}/tokens")).await;
    let login = format!("{public_url}/login?continue=");
    assert!(page.url().await.starts_with(&login));
    ann.sign_in_here(&page).await;
    assert_eq!(page.url().await, format!("{public_url}/tokens"));
    for cookie in page.cookies().await {
        let name = cookie["name"].as_str().unwrap_or_default();
        assert!(name.starts_with("__Host-warder-"), "{name}");
        let attributes = (&cookie["secure"], &cookie["httpOnly"], &cookie["sameSite"]);
        assert_eq!(attributes, (&json!(true), &json!(true), &json!("Lax")));
    }

    page.fill(Find::Label("What it is for"), "my laptop").await;
    page.click(Find::Button("Create")).await;
    let token = page.text(Find::Css("#token")).await;
    let call = async || {
        let gateway = warder.gateway();
        gateway
            .call("notes", token.trim(), "allowed", &json!({}))
            .await
            .status
    };
    assert_eq!(call().await, 200);

    // What others wrote is text, and nothing of it runs.
    page.goto(&format!("{public_url}/")).await;
    page.wait_for(Find::Text(payload)).await;
    assert_eq!(page.complaints().await, Vec::<String>::new());

    api.patch("/users/ann@example.com", &json!({"status": "disabled"}))
        .await;
    page.goto(&format!("{public_url}/account")).await;
    page.wait_for(Find::Button("Sign in")).await;
    until_true("the token is refused", PATIENCE, async || {
        call().await == 401
    })
    .await;
    ann.sign_in_here(&page).await;
    page.wait_for(Find::Text("do not go together")).await;
    page.close().await;
}
