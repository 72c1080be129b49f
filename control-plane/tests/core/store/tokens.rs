use chrono::Duration;
use warder_control_plane::domain::{Change, PageRequest, TokenRecord};
use warder_control_plane::store::tokens::{self, TokenFilter};
use warder_shared::id::TokenId;
use warder_shared::principal::Principal;
use warder_shared::token::TokenKind;

use crate::support::{Scene, token};

async fn insert(scene: &Scene, record: &TokenRecord) {
    let mut tx = scene.store.begin().await.unwrap();
    tokens::insert(&mut tx, record).await.unwrap();
    tx.commit().await.unwrap();
}

async fn owners(scene: &Scene) -> (Principal, Principal) {
    let user = scene.user("ada@example.com").await;
    let account = scene.virtual_account("robot").await;
    (
        Principal::User(user.id),
        Principal::VirtualAccount(account.id),
    )
}

pub(crate) async fn a_token_survives_writing_and_reading(scene: Scene) {
    let (user, account) = owners(&scene).await;
    let plain = token(&scene.time, user);
    let full = TokenRecord {
        created_by: None,
        retires_at: Some(scene.time.now()),
        revoked_at: Some(scene.time.now()),
        ..token(&scene.time, account)
    };
    for record in [plain, full] {
        insert(&scene, &record).await;
        assert_eq!(
            tokens::find(&scene.store, record.id).await.unwrap(),
            Some(record)
        );
    }
    let nobody = TokenId::new(&scene.time.clock());
    assert_eq!(tokens::find(&scene.store, nobody).await.unwrap(), None);
}

pub(crate) async fn tokens_are_listed_by_owner_and_kind(scene: Scene) {
    let (user, account) = owners(&scene).await;
    let mut records = Vec::new();
    for owner in [user, account, user, user] {
        scene.time.advance(Duration::seconds(1));
        let record = token(&scene.time, owner);
        insert(&scene, &record).await;
        records.push(record);
    }
    let list = async |filter, after, limit| {
        tokens::list(&scene.store, filter, &PageRequest { after, limit })
            .await
            .unwrap()
    };
    let everything = TokenFilter::default();
    assert_eq!(list(everything, None, 10).await.items, records);
    let own = TokenFilter {
        owner: Some(user),
        kind: Some(TokenKind::Pat),
    };
    let page = list(own, None, 2).await;
    assert_eq!(page.items, [records[0].clone(), records[2].clone()]);
    assert_eq!(list(own, page.next, 2).await.items, [records[3].clone()]);
    let services = TokenFilter {
        owner: None,
        kind: Some(TokenKind::VirtualAccount),
    };
    assert_eq!(list(services, None, 10).await.items, [records[1].clone()]);
    let none = TokenFilter {
        owner: Some(account),
        kind: Some(TokenKind::Pat),
    };
    assert!(list(none, None, 10).await.items.is_empty());
}

pub(crate) async fn a_token_is_revoked_once(scene: Scene) {
    let (user, _) = owners(&scene).await;
    let record = token(&scene.time, user);
    insert(&scene, &record).await;
    scene.time.advance(Duration::seconds(5));
    let (before, revoked_at) = (scene.version().await, scene.time.now());
    let mut tx = scene.store.begin().await.unwrap();
    assert!(tokens::revoke(&mut tx, record.id).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(
        scene.changes_since(before).await,
        [Change::RevokedToken(record.id)]
    );
    scene.time.advance(Duration::seconds(5));
    let mut tx = scene.store.begin().await.unwrap();
    assert!(!tokens::revoke(&mut tx, record.id).await.unwrap());
    assert!(
        !tokens::plan_retirement(&mut tx, record.id, revoked_at)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let found = tokens::find(&scene.store, record.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.revoked_at, Some(revoked_at));
    let known = tokens::revoked_unexpired(&scene.store, scene.time.now())
        .await
        .unwrap();
    assert_eq!(known, std::slice::from_ref(&found));
    let known = tokens::revoked_unexpired(&scene.store, found.expires_at)
        .await
        .unwrap();
    assert!(known.is_empty());
}

pub(crate) async fn every_token_of_an_owner_is_revoked(scene: Scene) {
    let (user, account) = owners(&scene).await;
    let [one, two] = [token(&scene.time, user), token(&scene.time, user)];
    let other = token(&scene.time, account);
    let expired = TokenRecord {
        expires_at: scene.time.now(),
        ..token(&scene.time, user)
    };
    for record in [&one, &two, &other, &expired] {
        insert(&scene, record).await;
    }
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    let mut revoked = tokens::revoke_of_owner(&mut tx, user).await.unwrap();
    tx.commit().await.unwrap();
    revoked.sort();
    let mut expected = vec![one.id, two.id];
    expected.sort();
    assert_eq!(revoked, expected);
    assert_eq!(scene.changes_since(before).await.len(), 2);
    let other = tokens::find(&scene.store, other.id).await.unwrap().unwrap();
    assert_eq!(other.revoked_at, None);
}

pub(crate) async fn a_replaced_token_ends_after_its_grace_period(scene: Scene) {
    let (_, account) = owners(&scene).await;
    let record = token(&scene.time, account);
    insert(&scene, &record).await;
    let end = scene.time.now() + Duration::seconds(10);
    let mut tx = scene.store.begin().await.unwrap();
    assert!(
        tokens::plan_retirement(&mut tx, record.id, end)
            .await
            .unwrap()
    );
    let later = end + Duration::hours(1);
    assert!(
        tokens::plan_retirement(&mut tx, record.id, later)
            .await
            .unwrap(),
        "the plan stays"
    );
    tx.commit().await.unwrap();

    let before = scene.version().await;
    scene.time.advance(Duration::milliseconds(9_999));
    assert!(
        !tokens::retirement_is_due(&scene.store, scene.time.now())
            .await
            .unwrap()
    );
    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(tokens::retire_due(&mut tx).await.unwrap(), []);
    drop(tx);
    scene.time.advance(Duration::milliseconds(1));
    assert!(
        tokens::retirement_is_due(&scene.store, scene.time.now())
            .await
            .unwrap()
    );
    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(tokens::retire_due(&mut tx).await.unwrap(), [record.id]);
    assert_eq!(tokens::retire_due(&mut tx).await.unwrap(), []);
    tx.commit().await.unwrap();
    assert_eq!(
        scene.changes_since(before).await,
        [Change::RevokedToken(record.id)]
    );
    assert!(
        !tokens::retirement_is_due(&scene.store, scene.time.now())
            .await
            .unwrap()
    );
    let found = tokens::find(&scene.store, record.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.retires_at, found.revoked_at), (Some(end), Some(end)));
}

pub(crate) async fn expired_tokens_are_forgotten(scene: Scene) {
    let (user, _) = owners(&scene).await;
    let record = token(&scene.time, user);
    insert(&scene, &record).await;
    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(
        tokens::delete_expired(&mut tx, record.expires_at)
            .await
            .unwrap(),
        0
    );
    let limit = record.expires_at + Duration::microseconds(1);
    assert_eq!(tokens::delete_expired(&mut tx, limit).await.unwrap(), 1);
    assert_eq!(tokens::find(&mut tx, record.id).await.unwrap(), None);
}
