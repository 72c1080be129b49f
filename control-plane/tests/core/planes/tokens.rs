use chrono::Duration;
use warder_control_plane::domain::PageRequest;
use warder_control_plane::service::tokens::{self, MAX_LIFETIME, MintFailure, NewToken};
use warder_control_plane::store;
use warder_control_plane::store::audit_events::{self, AuditFilter};
use warder_shared::principal::Principal;
use warder_shared::snapshot::Proof;
use warder_shared::token::{TokenError, TokenKind};

use crate::planes::scene::{AUDIENCE, ISSUER, Plane};

fn new_token(owner: Principal, lifetime: Duration) -> NewToken {
    NewToken {
        owner,
        name: String::new(),
        created_by: None,
        lifetime,
    }
}

#[tokio::test]
async fn a_token_says_what_its_record_says() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let robot = Principal::VirtualAccount(plane.scene.virtual_account("robot").await.id);
    for (owner, kind) in [(ada, TokenKind::Pat), (robot, TokenKind::VirtualAccount)] {
        let (record, token) = plane.token(owner).await;
        let claims = plane.keys.verify(&token).unwrap();
        assert_eq!(
            (claims.iss.as_str(), claims.aud.as_str()),
            (ISSUER, AUDIENCE)
        );
        assert_eq!(
            (claims.sub, claims.jti, claims.kind),
            (owner, record.id, kind)
        );
        assert_eq!(claims.exp, record.expires_at.timestamp());
        assert_eq!(claims.exp - claims.iat, Duration::days(1).num_seconds());
        let stored = store::tokens::find(&plane.scene.store, record.id)
            .await
            .unwrap();
        assert_eq!(stored, Some(record));
        plane
            .scene
            .time
            .advance(Duration::days(1) + Duration::seconds(30));
        assert_eq!(plane.keys.verify(&token), Err(TokenError::Expired));
    }
}

#[tokio::test]
async fn lives_are_bounded() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let mint = async |lifetime| {
        let mut tx = plane.begin().await;
        tokens::mint(&plane.keys, &mut tx, new_token(ada, lifetime))
            .await
            .map(drop)
    };
    let out_of_bounds = [
        Duration::milliseconds(999),
        Duration::zero(),
        Duration::seconds(-1),
        MAX_LIFETIME + Duration::milliseconds(1),
        Duration::MAX,
    ];
    for lifetime in out_of_bounds {
        assert!(
            matches!(mint(lifetime).await, Err(MintFailure::Lifetime)),
            "{lifetime}"
        );
    }
    for lifetime in [Duration::seconds(1), MAX_LIFETIME] {
        assert!(mint(lifetime).await.is_ok(), "{lifetime}");
    }
}

#[tokio::test]
async fn a_replaced_token_works_for_its_grace_period_and_no_longer() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let (old, token) = plane.token(ada).await;
    let mut tx = plane.begin().await;
    assert!(
        tokens::replace(&mut tx, old.id, Duration::minutes(5))
            .await
            .unwrap()
    );
    plane.commit(tx).await;
    let admitted = || {
        let claims = plane.keys.verify(&token).unwrap();
        let proof = Proof::Gateway(claims);
        plane.feed.snapshot().admit(&proof).is_ok()
    };
    plane
        .scene
        .time
        .advance(Duration::minutes(5) - Duration::seconds(1));
    assert_eq!(tokens::retire_due(&plane.scene.store).await.unwrap(), []);
    plane.feed.refresh().await.unwrap();
    assert!(admitted());
    plane.scene.time.advance(Duration::seconds(1));
    assert_eq!(
        tokens::retire_due(&plane.scene.store).await.unwrap(),
        [old.id]
    );
    plane.feed.refresh().await.unwrap();
    assert!(!admitted());
    let (all, first) = (AuditFilter::default(), PageRequest::first(1));
    let mut page = audit_events::list(&plane.scene.store, &all, &first)
        .await
        .unwrap();
    let newest = page.items.remove(0);
    assert_eq!(newest.action, "token.retire");
    assert_eq!(newest.object_name, Some(old.id.to_string()));

    let (other, _) = plane.token(ada).await;
    let mut tx = plane.begin().await;
    assert!(
        tokens::replace(&mut tx, other.id, Duration::zero())
            .await
            .unwrap(),
        "at once"
    );
    assert!(!tokens::revoke(&mut tx, other.id).await.unwrap());
}
