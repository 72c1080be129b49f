use chrono::Duration;
use warder_control_plane::domain::PageRequest;
use warder_control_plane::service::tokens::MAX_LIFETIME;
use warder_control_plane::store::audit_events::{self, AuditFilter};
use warder_shared::proto::v1;
use warder_shared::token::TokenError;

use crate::planes::scene::{Plane, ROTATION};

fn kids(plane: &Plane) -> Vec<String> {
    let jwks = plane.keys.jwks();
    let keys = jwks["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn kid_of(token: &str) -> String {
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    header.kid.unwrap()
}

async fn message(plane: &Plane) -> v1::KeySet {
    let mut tx = plane.scene.store.begin_read().await.unwrap();
    plane.keys.message(&mut tx).await.unwrap()
}

#[tokio::test]
async fn r22_signing_keys_rotate_and_no_token_goes_bad() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let (_, old) = plane.token(ada).await;
    let first = kids(&plane);
    assert_eq!(first.len(), 1);

    // Just before the key's time is over its successor is published, and not used.
    plane.scene.time.advance(ROTATION - Duration::minutes(10));
    plane.keys.maintain().await.unwrap();
    let both = kids(&plane);
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let (_, before) = plane.token(ada).await;
    assert_eq!(kid_of(&before), first[0]);

    // Its time comes by the clock, also before anybody has noted it.
    plane.scene.time.advance(Duration::minutes(10));
    let (_, after) = plane.token(ada).await;
    assert_eq!(kid_of(&after), both[1]);
    plane.keys.maintain().await.unwrap();
    assert_eq!(kids(&plane), both);
    assert!(plane.keys.verify(&before).is_ok());
    assert!(plane.keys.verify(&after).is_ok());
    assert_eq!(plane.keys.verify(&old), Err(TokenError::Expired));

    // When nothing that it signed can be good any more, it is dropped.
    plane.scene.time.advance(MAX_LIFETIME);
    plane.keys.maintain().await.unwrap();
    assert!(kids(&plane).contains(&first[0]));
    plane.scene.time.advance(Duration::hours(2));
    plane.keys.maintain().await.unwrap();
    assert!(!kids(&plane).contains(&first[0]));
    assert_eq!(plane.keys.verify(&before), Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let (_, token) = plane.token(ada).await;
    let restarted = plane.keys_after_a_restart().await;
    assert_eq!(restarted.jwks(), plane.keys.jwks());
    assert!(restarted.verify(&token).is_ok());
}

#[tokio::test]
async fn the_key_set_is_public_halves_only() {
    let plane = Plane::new().await;
    let jwks = plane.keys.jwks();
    let key = jwks["keys"][0].as_object().unwrap();
    let fields: Vec<_> = key.keys().map(String::as_str).collect();
    assert_eq!(fields, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(
        (&key["alg"], &key["crv"]),
        (&"EdDSA".into(), &"Ed25519".into())
    );
}

#[tokio::test]
async fn session_keys_rotate_and_overlap() {
    let plane = Plane::new().await;
    let ids = |keys: &v1::KeySet| -> Vec<String> {
        keys.session_keys.iter().map(|key| key.id.clone()).collect()
    };
    let first = message(&plane).await;
    assert_eq!(first.session_keys.len(), 1);
    assert_eq!(first.session_keys[0].key.len(), 32);

    plane.scene.time.advance(ROTATION - Duration::minutes(10));
    plane.keys.maintain().await.unwrap();
    let published = message(&plane).await;
    assert_eq!(published.session_keys.len(), 2);
    assert_eq!(
        published.session_keys[0], first.session_keys[0],
        "the old one still seals"
    );

    plane.scene.time.advance(Duration::minutes(10));
    plane.keys.maintain().await.unwrap();
    let used = message(&plane).await;
    let swapped = [ids(&published)[1].clone(), ids(&published)[0].clone()];
    assert_eq!(ids(&used), swapped, "the new one seals, the old one opens");

    plane
        .scene
        .time
        .advance(Duration::days(30) - Duration::minutes(20));
    plane.keys.maintain().await.unwrap();
    assert!(ids(&message(&plane).await).contains(&ids(&first)[0]));
    plane.scene.time.advance(Duration::hours(1));
    plane.keys.maintain().await.unwrap();
    assert!(!ids(&message(&plane).await).contains(&ids(&first)[0]));
}

#[tokio::test]
async fn each_step_of_a_rotation_is_told_to_pods_and_audited() {
    let plane = Plane::new().await;
    let version = plane.scene.version().await;
    plane.keys.maintain().await.unwrap();
    assert_eq!(plane.scene.version().await, version, "nothing was due");
    for wait in [ROTATION - Duration::minutes(10), Duration::minutes(10)] {
        plane.scene.time.advance(wait);
        let before = plane.scene.version().await;
        plane.keys.maintain().await.unwrap();
        assert_eq!(plane.scene.version().await, before + 1);
    }
    let all = AuditFilter::default();
    let page = audit_events::list(&plane.scene.store, &all, &PageRequest::first(100))
        .await
        .unwrap();
    let mut actions: Vec<_> = page.items.into_iter().map(|event| event.action).collect();
    actions.sort();
    let expected = [
        "session_key.create",
        "session_key.create",
        "session_key.retire",
        "signing_key.create",
        "signing_key.create",
        "signing_key.retire",
    ];
    assert_eq!(actions, expected);
}
