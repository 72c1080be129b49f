use chrono::Duration;
use warder_control_plane::domain::SecretHash;
use warder_control_plane::store::continuations;

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
