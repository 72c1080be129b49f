use chrono::Duration;
use secrecy::{ExposeSecret as _, SecretString};
use warder_control_plane::service::nodes::{EnrollFailure, InvalidSecrets, Nodes, NotANode};
use warder_shared::token::TokenError;

use crate::planes::scene::{ENROLLMENT_SECRET, Plane};

#[tokio::test]
async fn a_pod_that_knows_a_secret_gets_a_credential_for_an_hour() {
    let plane = Plane::new().await;
    let credential = plane
        .nodes
        .enroll(ENROLLMENT_SECRET, "pod-1.example")
        .unwrap();
    assert_eq!(
        credential.expires_at.timestamp(),
        plane.scene.time.now().timestamp() + 3600
    );
    let token = credential.token.expose_secret();
    let node = plane.nodes.authenticate(token).unwrap();
    assert_eq!(
        (node.name(), node.expires_at()),
        ("pod-1.example", credential.expires_at)
    );
    plane
        .scene
        .time
        .advance(Duration::hours(1) + Duration::seconds(30));
    assert_eq!(plane.nodes.authenticate(token), Err(NotANode));
}

#[tokio::test]
async fn t63_only_a_configured_secret_enrolls() {
    let plane = Plane::new().await;
    let secrets = format!("\n  {}  \n{}\r\n\n", "a".repeat(32), "b".repeat(40));
    let nodes = Nodes::new(&SecretString::from(secrets), plane.keys.clone()).unwrap();
    for known in ["a".repeat(32), "b".repeat(40)] {
        assert!(nodes.enroll(&known, "pod").is_ok());
    }
    let unknown = [
        "",
        "a",
        &"a".repeat(31),
        &"a".repeat(33),
        &"A".repeat(32),
        &format!("{}\n", "a".repeat(32)),
    ];
    for secret in unknown {
        let enrolled = nodes.enroll(secret, "pod");
        assert!(
            matches!(enrolled, Err(EnrollFailure::UnknownSecret)),
            "{secret:?}"
        );
    }
    assert!(!format!("{nodes:?}").contains("aaaa"));
}

#[tokio::test]
async fn secrets_are_there_and_long() {
    let plane = Plane::new().await;
    let make = |text: &str| Nodes::new(&SecretString::from(text), plane.keys.clone()).map(drop);
    assert_eq!(make("\n \n"), Err(InvalidSecrets::None));
    assert_eq!(make(&"a".repeat(31)), Err(InvalidSecrets::TooShort));
    assert_eq!(
        make(&format!("{}\nshort", "a".repeat(32))),
        Err(InvalidSecrets::TooShort)
    );
}

#[tokio::test]
async fn a_pod_has_a_name() {
    let plane = Plane::new().await;
    for name in ["", "a b", "a/b", "a_b", "ä", "a\n", &"a".repeat(254)] {
        let enrolled = plane.nodes.enroll(ENROLLMENT_SECRET, name);
        assert!(matches!(enrolled, Err(EnrollFailure::Name)), "{name:?}");
    }
    assert!(
        plane
            .nodes
            .enroll(ENROLLMENT_SECRET, &"a".repeat(253))
            .is_ok()
    );
}

#[tokio::test]
async fn t04_a_pod_and_a_caller_are_not_mistaken_for_one_another() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let (_, token) = plane.token(ada).await;
    let credential = plane.nodes.enroll(ENROLLMENT_SECRET, "pod").unwrap();
    let credential = credential.token.expose_secret();
    assert_eq!(plane.nodes.authenticate(&token), Err(NotANode));
    assert_eq!(plane.keys.verify(credential), Err(TokenError::Header));
    let other = Plane::new().await;
    assert_eq!(
        other.nodes.authenticate(credential),
        Err(NotANode),
        "t11: another deployment"
    );
    for forged in [
        "",
        "a.b.c",
        &format!("{credential}x"),
        &credential[..credential.len() - 4],
    ] {
        assert_eq!(plane.nodes.authenticate(forged), Err(NotANode), "{forged}");
    }
}
