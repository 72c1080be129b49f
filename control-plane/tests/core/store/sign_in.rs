use chrono::Duration;
use warder_control_plane::domain::SecretHash;
use warder_control_plane::store::{
    continuations,
    pending_sign_ins::{self, PendingSignIn},
    sign_in_attempts, user_passwords,
};
use warder_shared::id::EventId;

use crate::support::Scene;

pub(crate) async fn t44_a_continuation_is_taken_once_by_its_browser(scene: Scene) {
    let [handle, late, browser, other] =
        [1, 2, 3, 4].map(|byte| SecretHash::from_bytes([byte; 32]));
    let end = scene.time.now() + Duration::minutes(15);
    let mut tx = scene.store.begin_append().await.unwrap();
    for handle in [&handle, &late] {
        continuations::insert(&mut tx, handle, &browser, b"sealed", end)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(continuations::count(&scene.store).await.unwrap(), 2);
    let take = async |handle, browser| {
        let mut tx = scene.store.begin_append().await.unwrap();
        let target = continuations::take(&mut tx, handle, browser).await.unwrap();
        tx.commit().await.unwrap();
        target
    };
    assert_eq!(take(&handle, &other).await, None);
    assert_eq!(take(&handle, &browser).await, Some(b"sealed".to_vec()));
    assert_eq!(take(&handle, &browser).await, None);
    scene.time.advance(Duration::minutes(15));
    assert_eq!(take(&late, &browser).await, None, "it has expired");
    let mut tx = scene.store.begin().await.unwrap();
    let now = tx.now();
    let expired = continuations::delete_expired(&mut tx, now).await;
    assert_eq!(expired.unwrap(), 1);
}

pub(crate) async fn a_password_is_replaced(scene: Scene) {
    let user = scene.user("ada@example.com").await.id;
    let find = async || user_passwords::find(&scene.store, user).await.unwrap();
    assert_eq!(find().await, None);
    for hash in ["one", "two"] {
        let mut tx = scene.store.begin().await.unwrap();
        user_passwords::put(&mut tx, user, hash).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(find().await.as_deref(), Some(hash));
    }
}

pub(crate) async fn t61_attempts_are_counted_by_account_and_client(scene: Scene) {
    let [ada, bob] = [1, 2].map(|byte| SecretHash::from_bytes([byte; 32]));
    let begin = scene.time.now();
    let mut ids = Vec::new();
    for (account, client) in [(&ada, "a"), (&ada, "b"), (&bob, "a"), (&ada, "a")] {
        scene.time.advance(Duration::minutes(1));
        let id = EventId::new(&scene.time.clock());
        let mut tx = scene.store.begin_append().await.unwrap();
        sign_in_attempts::insert(&mut tx, id, account, client)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        ids.push(id);
    }
    let count = async |account, since| {
        let mut tx = scene.store.begin_read().await.unwrap();
        sign_in_attempts::count(&mut tx, account, "a", since)
            .await
            .unwrap()
    };
    assert_eq!(count(&ada, begin).await, (3, 3));
    assert_eq!(count(&bob, begin).await, (1, 3));
    assert_eq!(count(&ada, begin + Duration::minutes(1)).await, (2, 2));
    let mut tx = scene.store.begin().await.unwrap();
    sign_in_attempts::delete(&mut tx, ids[0]).await.unwrap();
    let limit = begin + Duration::minutes(2);
    assert_eq!(
        sign_in_attempts::delete_before(&mut tx, limit)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        sign_in_attempts::delete_of_account(&mut tx, &ada)
            .await
            .unwrap(),
        1
    );
    tx.commit().await.unwrap();
    assert_eq!(count(&bob, begin).await, (1, 1));
}

pub(crate) async fn t49_a_state_is_taken_once(scene: Scene) {
    let [state, late] = [1, 2].map(|byte| SecretHash::from_bytes([byte; 32]));
    let pending = PendingSignIn {
        state,
        provider: "okta".parse().unwrap(),
        browser: SecretHash::from_bytes([3; 32]),
        sealed: b"sealed".to_vec(),
        expires_at: scene.time.now() + Duration::minutes(10),
    };
    let second = PendingSignIn {
        state: late,
        ..pending.clone()
    };
    let mut tx = scene.store.begin_append().await.unwrap();
    for pending in [&pending, &second] {
        pending_sign_ins::insert(&mut tx, pending).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(pending_sign_ins::count(&scene.store).await.unwrap(), 2);
    let mut tx = scene.store.begin_append().await.unwrap();
    let taken = pending_sign_ins::take(&mut tx, &state).await.unwrap();
    assert_eq!(taken, Some(pending));
    assert_eq!(pending_sign_ins::take(&mut tx, &state).await.unwrap(), None);
    tx.commit().await.unwrap();
    scene.time.advance(Duration::minutes(10));
    let mut tx = scene.store.begin().await.unwrap();
    let now = tx.now();
    let expired = pending_sign_ins::delete_expired(&mut tx, now).await;
    assert_eq!(expired.unwrap(), 1);
}
