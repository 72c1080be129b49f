//! The first administrator.

use secrecy::ExposeSecret as _;
use warder_control_plane::{
    authorize,
    service::{Failure, bootstrap},
};

use crate::support::Scene;

#[tokio::test]
async fn there_is_one_first_administrator() {
    let scene = Scene::new().await;
    let me = scene.get(&scene.ada, "/me").await.expect(200);
    assert_eq!(me.body["roles"], serde_json::json!(["admin"]));
    let email = "eve@example.com".parse().unwrap();
    let second = bootstrap::first_administrator(
        &scene.services,
        &authorize::operator(),
        email,
        String::new(),
        None,
    )
    .await;
    assert!(matches!(second, Err(Failure::AlreadyExists { .. })));
}

#[tokio::test]
async fn a_lost_token_is_replaced_for_administrators_only() {
    let scene = Scene::new().await;
    scene.member("bob").await;
    let permit = authorize::operator();
    let token = bootstrap::administrator_token(
        &scene.services,
        &permit,
        "ada@example.com".parse().unwrap(),
    )
    .await
    .unwrap();
    scene
        .get(token.token.expose_secret(), "/users")
        .await
        .expect(200);
    for email in ["bob@example.com", "none@example.com"] {
        let refused =
            bootstrap::administrator_token(&scene.services, &permit, email.parse().unwrap()).await;
        assert!(matches!(refused, Err(Failure::NotFound { .. })), "{email}");
    }
}
