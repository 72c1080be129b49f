//! Sessions, as callers of the REST API see them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use serde_json::json;
use warder_control_plane::{
    domain::{Session, SignedInBy},
    service::{BearerSecret, sessions},
    store::users,
};

use crate::support::{Call, Scene};

const COOKIE: &str = "__Host-warder-session";
const ORIGIN: &str = "https://warder.example.com";

/// A session of a user.
async fn session_of(scene: &Scene, email: &str) -> BearerSecret {
    let email = email.parse().unwrap();
    let user = users::find_by_email(&scene.store, &email).await.unwrap();
    let user = user.unwrap().id;
    sessions::start(&scene.services, user, SignedInBy::Password, None)
        .await
        .unwrap()
}

fn token(secret: &BearerSecret) -> String {
    URL_SAFE_NO_PAD.encode(secret.derive("csrf").as_slice())
}

impl Call<'_> {
    fn session(self, secret: &BearerSecret) -> Self {
        self.header("cookie", &format!("{COOKIE}={}", secret.expose()))
    }
}

#[tokio::test]
async fn a_session_authenticates_its_user() {
    let scene = Scene::new().await;
    let session = session_of(&scene, "ada@example.com").await;
    let me = scene.call("GET", "/me").session(&session).send().await;
    let me = me.expect(200);
    assert_eq!(me.body["email"], "ada@example.com");
    assert_eq!(me.body.get("token"), None);
    let end = me.text("/session/expires_at");
    assert!(end.starts_with("2030-03-18"), "{end}");
    assert!(scene.actions().await.contains(&"session.start".to_owned()));
}

#[tokio::test]
async fn t09_a_session_beside_a_token_is_refused() {
    let scene = Scene::new().await;
    let session = session_of(&scene, "ada@example.com").await;
    let both = scene
        .call("GET", "/me")
        .session(&session)
        .bearer(&scene.ada);
    both.send().await.problem(400, "malformed-request");
    let nonsense = scene
        .call("GET", "/me")
        .header("cookie", &format!("{COOKIE}=x"))
        .bearer(&scene.ada);
    nonsense.send().await.problem(400, "malformed-request");
    let twice = scene.call("GET", "/me").session(&session).session(&session);
    twice.send().await.problem(401, "unauthenticated");
    // Cookies of others are none of our business.
    let other = scene
        .call("GET", "/me")
        .header("cookie", "theme=dark")
        .bearer(&scene.ada);
    other.send().await.expect(200);
}

#[tokio::test]
async fn t60_a_session_changes_something_only_from_a_page_of_ours() {
    let scene = Scene::new().await;
    let session = session_of(&scene, "ada@example.com").await;
    let other = session_of(&scene, "ada@example.com").await;
    let (mine, foreign) = (token(&session), token(&other));
    let put = |headers: &[(&'static str, &str)]| {
        let call = scene
            .call("PUT", "/teams/dev")
            .session(&session)
            .json(&json!({}));
        headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value))
    };
    let refused: &[&[(&'static str, &str)]] = &[
        &[],
        &[("x-csrf-token", &mine)],
        &[("origin", ORIGIN)],
        &[("origin", ORIGIN), ("x-csrf-token", "")],
        &[("origin", ORIGIN), ("x-csrf-token", &foreign)],
        &[("origin", ORIGIN), ("x-csrf-token", session.expose())],
        &[("origin", "https://evil.example"), ("x-csrf-token", &mine)],
        &[("origin", "null"), ("x-csrf-token", &mine)],
        &[("sec-fetch-site", "same-site"), ("x-csrf-token", &mine)],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", ORIGIN),
            ("x-csrf-token", &mine),
        ],
    ];
    for headers in refused {
        put(headers).send().await.problem(403, "forbidden");
    }
    scene.get(&scene.ada, "/teams/dev").await.expect(404);
    put(&[("origin", ORIGIN), ("x-csrf-token", &mine)])
        .send()
        .await
        .expect(201);
    put(&[("sec-fetch-site", "same-origin"), ("x-csrf-token", &mine)])
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn t60_a_session_ends_by_itself() {
    let scene = Scene::new().await;
    let (idle, used) = (
        session_of(&scene, "ada@example.com").await,
        session_of(&scene, "ada@example.com").await,
    );
    let get = async |session| scene.call("GET", "/me").session(session).send().await;
    let begin = scene.now();
    scene.pass(Session::IDLE - Duration::minutes(1));
    get(&used).await.expect(200);
    scene.pass(Duration::minutes(1));
    get(&idle).await.problem(401, "unauthenticated");
    while scene.now() < begin + Session::LIFE - Duration::minutes(20) {
        get(&used).await.expect(200);
        scene.pass(Duration::minutes(20));
    }
    get(&used).await.expect(200);
    scene.pass(Duration::minutes(20));
    get(&used).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn t10_sessions_end_at_once_with_rights_that_change() {
    let scene = Scene::new().await;
    let changes = [
        json!({"status": "disabled"}),
        json!({"roles": ["admin", "member"]}),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let email = format!("user{number}@example.com");
        scene.member(&format!("user{number}")).await;
        let session = session_of(&scene, &email).await;
        let get = async || scene.call("GET", "/me").session(&session).send().await;
        get().await.expect(200);
        let path = format!("/users/{email}");
        scene
            .patch(&scene.ada, &path, json!({"name": "x"}))
            .await
            .expect(200);
        get().await.expect(200);
        scene.patch(&scene.ada, &path, change).await.expect(200);
        get().await.problem(401, "unauthenticated");
        // It does not come back with the rights.
        scene
            .patch(
                &scene.ada,
                &path,
                json!({"status": "active", "roles": ["member"]}),
            )
            .await
            .expect(200);
        get().await.problem(401, "unauthenticated");
        let session = session_of(&scene, &email).await;
        scene.delete(&scene.ada, &path).await.expect(204);
        let gone = scene.call("GET", "/me").session(&session).send().await;
        gone.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn t56_a_session_is_kept_as_its_hash() {
    let scene = Scene::new().await;
    let session = session_of(&scene, "ada@example.com").await;
    let files = scene.database_files();
    let finds = |text: &[u8]| files.windows(text.len()).any(|window| window == text);
    assert!(!finds(session.expose().as_bytes()));
    assert!(!finds(token(&session).as_bytes()));
    assert!(
        finds(session.hash().as_bytes()),
        "the search finds what is there"
    );
}
