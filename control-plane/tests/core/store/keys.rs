use chrono::Duration;
use warder_control_plane::domain::{Change, SessionKeyRecord, SigningKeyRecord};
use warder_control_plane::store::key_terms::{self, KeyTerm};
use warder_control_plane::store::{StoreError, session_keys, signing_keys};

use crate::support::{Scene, settle};

pub(crate) async fn signing_keys_are_retired_and_dropped(scene: Scene) {
    let now = scene.time.now();
    let mut key = SigningKeyRecord {
        kid: "first".to_owned(),
        algorithm: "EdDSA".to_owned(),
        public_key: vec![0, 1, 255],
        created_at: now,
        active_from: now + Duration::minutes(10),
        retired_at: None,
        verify_until: None,
    };
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    signing_keys::insert(&mut tx, &key, b"sealed")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scene.changes_since(before).await, [Change::Keys]);
    assert_eq!(
        signing_keys::list(&scene.store).await.unwrap(),
        [key.clone()]
    );
    let sealed = signing_keys::sealed_private_key(&scene.store, "first")
        .await
        .unwrap();
    assert_eq!(sealed.as_deref(), Some(b"sealed".as_slice()));
    assert_eq!(
        signing_keys::sealed_private_key(&scene.store, "other")
            .await
            .unwrap(),
        None
    );

    (key.retired_at, key.verify_until) = (Some(now), Some(now + Duration::days(1)));
    let mut tx = scene.store.begin().await.unwrap();
    signing_keys::retire(&mut tx, "first", now, now + Duration::days(1))
        .await
        .unwrap();
    let later = now + Duration::days(9);
    signing_keys::retire(&mut tx, "first", later, later)
        .await
        .unwrap();
    assert_eq!(signing_keys::list(&mut tx).await.unwrap(), [key]);
    let end = now + Duration::days(1);
    assert_eq!(signing_keys::delete_expired(&mut tx, end).await.unwrap(), 0);
    let after = end + Duration::seconds(1);
    assert_eq!(
        signing_keys::delete_expired(&mut tx, after).await.unwrap(),
        1
    );
    settle(&mut tx);
    tx.commit().await.unwrap();
    assert!(signing_keys::list(&scene.store).await.unwrap().is_empty());
}

pub(crate) async fn session_keys_are_retired_and_dropped(scene: Scene) {
    let now = scene.time.now();
    let record = |id: &str, created_at| SessionKeyRecord {
        id: id.to_owned(),
        created_at,
        active_from: created_at,
        retired_at: None,
    };
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    let second = record("a-second", now + Duration::seconds(1));
    session_keys::insert(&mut tx, &second, b"two")
        .await
        .unwrap();
    session_keys::insert(&mut tx, &record("b-first", now), b"one")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scene.changes_since(before).await, [Change::Keys]);
    let stored = session_keys::list(&scene.store).await.unwrap();
    let ids: Vec<_> = stored.iter().map(|key| key.record.id.as_str()).collect();
    assert_eq!(ids, ["b-first", "a-second"]);
    assert_eq!(stored[1].record, second);
    assert_eq!(stored[1].sealed_key, b"two");

    let mut tx = scene.store.begin().await.unwrap();
    session_keys::retire(&mut tx, "b-first", now).await.unwrap();
    session_keys::retire(&mut tx, "b-first", now + Duration::days(1))
        .await
        .unwrap();
    let stored = session_keys::list(&mut tx).await.unwrap();
    assert_eq!(stored[0].record.retired_at, Some(now));
    assert_eq!(session_keys::delete_retired(&mut tx, now).await.unwrap(), 0);
    let limit = now + Duration::seconds(1);
    assert_eq!(
        session_keys::delete_retired(&mut tx, limit).await.unwrap(),
        1
    );
    settle(&mut tx);
    tx.commit().await.unwrap();
    assert_eq!(session_keys::list(&scene.store).await.unwrap().len(), 1);
}

pub(crate) async fn key_terms_count_encryptions(scene: Scene) {
    let term = |term| KeyTerm {
        term,
        wrapped_key: vec![u8::try_from(term).unwrap(); 60],
        encryptions: 0,
        created_at: scene.time.now(),
    };
    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(key_terms::count_encryption(&mut tx).await.unwrap(), None);
    key_terms::insert(&mut tx, &term(1)).await.unwrap();
    let counted = key_terms::count_encryption(&mut tx).await.unwrap();
    assert_eq!(
        counted,
        Some(KeyTerm {
            encryptions: 1,
            ..term(1)
        })
    );
    key_terms::insert(&mut tx, &term(2)).await.unwrap();
    key_terms::count_encryption(&mut tx).await.unwrap();
    let counted = key_terms::count_encryption(&mut tx).await.unwrap();
    assert_eq!(
        counted,
        Some(KeyTerm {
            encryptions: 2,
            ..term(2)
        })
    );
    tx.commit().await.unwrap();
    let terms = key_terms::list(&scene.store).await.unwrap();
    let counts: Vec<_> = terms
        .iter()
        .map(|term| (term.term, term.encryptions))
        .collect();
    assert_eq!(counts, [(1, 1), (2, 2)]);
    let mut tx = scene.store.begin().await.unwrap();
    assert!(matches!(
        key_terms::insert(&mut tx, &term(2)).await,
        Err(StoreError::Conflict)
    ));
}
