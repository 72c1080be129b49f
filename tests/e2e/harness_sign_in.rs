//! The harness's own real parts: what the stories of sign-in build on has to be true first.

use e2e::browser::{Browser, Find, Profile};
use e2e::identity_provider::{IdentityProvider, RESOURCE, Settings, Signer};
use serde_json::{Value, json};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a JWT has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn the_identity_provider_issues_tokens_and_rotates_its_keys() {
    let provider = IdentityProvider::start(Settings::default()).await;

    let token = provider.client_credentials("mcp:read", RESOURCE).await;
    let claims = part(&token, 1);
    assert_eq!(claims["iss"], provider.issuer());
    assert_eq!(claims["aud"], RESOURCE);
    assert_eq!(claims["client_id"], "machine");

    provider
        .set_user(
            "alice",
            &json!({"email": "new@example.com", "email_verified": true, "realm": {"roles": ["a"]}}),
        )
        .await;
    let tokens = provider.user_token("alice").await;
    assert_eq!(part(&tokens.access_token, 1)["sub"], "alice");
    for token in [&tokens.access_token, &tokens.id_token] {
        let claims = part(token, 1);
        assert_eq!(claims["email"], "new@example.com");
        assert_eq!(claims["realm"]["roles"], json!(["a"]));
    }

    let kid = |token: &str| part(token, 0)["kid"].clone();
    let before = kid(&token);
    provider.rotate_keys(true).await;
    let after = kid(&provider.client_credentials("mcp:read", RESOURCE).await);
    assert_ne!(before, after);
    let published = async || {
        let keys = provider
            .origin()
            .request_path(reqwest::Method::GET, "/jwks");
        let keys = keys.send().await.json();
        let keys = keys["keys"].as_array().expect("keys").clone();
        keys.iter()
            .map(|key| key["kid"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(published().await, [after, before]);
    provider.rotate_keys(false).await;
    assert_eq!(published().await.len(), 1);
    assert_eq!(provider.jwks_fetches().await, 2);

    let odd = json!({"alg": "none", "jku": "https://elsewhere.example"});
    let minted = provider
        .mint(&odd, &json!({"sub": 1}), Signer::Current)
        .await;
    assert_eq!(part(&minted, 0)["alg"], "none");
    assert_eq!(part(&minted, 1), json!({"sub": 1}));

    provider.answer("/jwks", 503, &json!({}), 0).await;
    let keys = provider
        .origin()
        .request_path(reqwest::Method::GET, "/jwks");
    assert_eq!(keys.send().await.status, 503);
    provider.answer_normally("/jwks").await;
    assert_eq!(published().await.len(), 1);
}

#[tokio::test]
async fn a_browser_signs_in_at_the_identity_provider() {
    let callback = "http://127.0.0.1/back";
    let settings = Settings::default()
        .web_client("web", "web-secret", &[callback])
        .interactive()
        .on_localhost();
    let provider = IdentityProvider::start(settings).await;
    let browser = Browser::start().await;
    let page = browser.open(Profile::default()).await;
    let start = format!(
        "{}/auth?client_id=web&response_type=code&scope=openid&state=s&code_challenge={}&code_challenge_method=S256&redirect_uri={callback}",
        provider.issuer(),
        "a".repeat(43),
    )
    // Any port of a loopback redirect URI is the same one.
    .replace("127.0.0.1/", &format!("127.0.0.1:{}/", provider.issuer().rsplit(':').next().expect("a port")));

    assert_eq!(page.goto(&start).await, 200);
    page.fill(Find::Label("Username"), "alice").await;
    page.click(Find::Button("Sign in")).await;
    assert!(page.text(Find::Css("main")).await.contains("web asks"));
    page.click(Find::Button("Continue")).await;
    let end = page.wait_for_url("http://127.0.0.1:").await;
    assert!(end.contains("code=") && end.contains("state=s"), "{end}");

    // Another profile knows nothing of this sign-in; pages work without scripts, and the test's own still run.
    let other = browser
        .open(Profile {
            javascript: false,
            size: (390, 844),
            dark: true,
        })
        .await;
    assert_eq!(other.goto(&start).await, 200);
    assert_eq!(other.count(Find::Label("Username")).await, 1);
    assert_eq!(
        other.evaluate("document.documentElement.clientWidth").await,
        390
    );
    assert!(!page.cookies().await.is_empty());
    assert!(other.screenshot("identity-provider").await.exists());
}
