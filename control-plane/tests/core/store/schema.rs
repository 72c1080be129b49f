use warder_control_plane::store::{Store, settings, users};

use crate::support::Scene;

pub(crate) async fn replicas_that_start_at_once_migrate_once(scene: Scene) {
    const REPLICAS: usize = 5;
    assert!(
        settings::epoch(&scene.store).await.is_err(),
        "there are no tables"
    );
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(scene.replica().await);
    }
    let starting = replicas.into_iter().map(|replica: Store| {
        tokio::spawn(async move {
            replica.migrate().await.unwrap();
            settings::epoch(&replica).await.unwrap()
        })
    });
    let mut epochs = Vec::new();
    for started in starting.collect::<Vec<_>>() {
        epochs.push(started.await.unwrap());
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 1, "one identity: {epochs:?}");
    assert_eq!(scene.version().await, 0);
}

pub(crate) async fn migrating_again_changes_nothing(scene: Scene) {
    let epoch = settings::epoch(&scene.store).await.unwrap();
    let user = scene.user("ada@example.com").await;
    scene.store.migrate().await.unwrap();
    assert_eq!(settings::epoch(&scene.store).await.unwrap(), epoch);
    assert_eq!(
        users::find(&scene.store, user.id).await.unwrap(),
        Some(user)
    );
    assert_eq!(scene.version().await, 1);
}
