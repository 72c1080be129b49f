use std::time::Duration;

use tokio_util::sync::CancellationToken;
use warder_control_plane::service::feed::{Feed, FeedMetrics};
use warder_control_plane::service::keys::{KeySettings, Keys};
use warder_control_plane::store::{Store, changes, users};
use warder_control_plane::vault::{RootKey, Vault};
use warder_shared::proto::v1::WatchResponse;
use warder_shared::proto::v1::change::Change as Wire;

use crate::support::{Scene, user};

/// What one replica runs.
struct Replica {
    store: Store,
    keys: Keys,
    feed: Feed,
}

impl Replica {
    async fn start(store: Store, root_key: &secrecy::SecretString) -> Self {
        let root_key = RootKey::parse(root_key).unwrap();
        let vault = Vault::open(store.clone(), root_key).await.unwrap();
        let settings = KeySettings {
            issuer: "https://control.example".to_owned(),
            audience: "https://gateway.example".to_owned(),
            rotation: chrono::Duration::days(30),
        };
        let keys = Keys::open(store.clone(), vault, settings).await.unwrap();
        let feed = Feed::open(store.clone(), keys.clone(), FeedMetrics::default())
            .await
            .unwrap();
        Self { store, keys, feed }
    }
}

fn users_in(response: &WatchResponse) -> Vec<String> {
    let changes = response
        .changes
        .iter()
        .filter_map(|change| change.change.as_ref());
    changes
        .filter_map(|change| match change {
            Wire::User(user) => Some(user.id.clone()),
            _ => None,
        })
        .collect()
}

pub(crate) async fn a_commit_of_another_replica_is_heard_of(scene: Scene) {
    let root_key = RootKey::generate().unwrap();
    let writer = Replica::start(scene.store.clone(), &root_key).await;
    // On SQLite there is one process: its own commits wake it.
    let store = if scene.is_postgres() {
        scene.replica().await
    } else {
        scene.store.clone()
    };
    let reader = Replica::start(store, &root_key).await;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(reader.feed.clone().run(shutdown.clone()));
    let mut watcher = reader.feed.watch(String::new(), 0);
    assert!(watcher.next().await.reset);

    // Until the feed listens, only the clock would tell it: the first commit may take that long.
    let first = scene.user("first@example.com").await;
    while !users_in(&watcher.next().await).contains(&first.id.to_string()) {}
    let started = std::time::Instant::now();
    let second = user(&scene.time, "second@example.com");
    let mut tx = writer.store.begin().await.unwrap();
    users::insert(&mut tx, &second).await.unwrap();
    tx.commit().await.unwrap();
    let response = watcher.next().await;
    assert_eq!(users_in(&response), [second.id.to_string()]);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    let version = changes::current_version(&reader.store).await.unwrap();
    assert_eq!(response.version, u64::try_from(version).unwrap());
    shutdown.cancel();
    running.await.unwrap();
}

pub(crate) async fn replicas_agree_on_keys(scene: Scene) {
    let root_key = RootKey::generate().unwrap();
    let (one, two) = tokio::join!(Replica::start(scene.store.clone(), &root_key), async {
        let store = if scene.is_postgres() {
            scene.replica().await
        } else {
            scene.store.clone()
        };
        Replica::start(store, &root_key).await
    },);
    one.keys.reload().await.unwrap();
    assert_eq!(one.keys.jwks(), two.keys.jwks());
    assert_eq!(one.keys.jwks()["keys"].as_array().unwrap().len(), 1);
}

pub(crate) async fn a_follower_that_was_away_gets_what_changed(scene: Scene) {
    let replica = Replica::start(scene.store.clone(), &RootKey::generate().unwrap()).await;
    let mut watcher = replica.feed.watch(String::new(), 0);
    let start = watcher.next().await;
    assert!(start.reset);
    let away = scene.user("away@example.com").await;
    replica.feed.refresh().await.unwrap();
    let mut back = replica.feed.watch(start.epoch.clone(), start.version);
    let response = back.next().await;
    assert!(!response.reset && !response.more);
    assert_eq!(users_in(&response), [away.id.to_string()]);
    assert_eq!(response.version, start.version + 1);
}
