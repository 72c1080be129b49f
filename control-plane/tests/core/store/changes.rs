use std::sync::Arc;

use warder_control_plane::domain::Change;
use warder_control_plane::store::{changes, users};
use warder_shared::id::{ServerId, UserId};
use warder_shared::principal::Principal;

use crate::support::{Scene, user};

pub(crate) async fn a_transaction_with_changes_takes_one_version(scene: Scene) {
    let (server, person) = (
        ServerId::new(&scene.time.clock()),
        UserId::new(&scene.time.clock()),
    );
    let before = scene.version().await;
    let mut committed = scene.store.committed();
    let mut tx = scene.store.begin().await.unwrap();
    let credential = Change::Credential(server, Principal::User(person));
    for change in [
        Change::Server(server),
        Change::Keys,
        credential,
        Change::Server(server),
    ] {
        tx.record_change(change).await.unwrap();
    }
    assert!(!committed.has_changed().unwrap());
    tx.commit().await.unwrap();
    assert!(committed.has_changed().unwrap());
    committed.mark_unchanged();
    assert_eq!(scene.version().await, before + 1);
    let recorded = scene.changes_since(before).await;
    assert_eq!(recorded, [credential, Change::Keys, Change::Server(server)]);
    assert_eq!(scene.changes_since(before + 1).await, []);

    scene.store.begin().await.unwrap().commit().await.unwrap();
    assert_eq!(scene.version().await, before + 1, "nothing was recorded");
    assert!(!committed.has_changed().unwrap());
}

pub(crate) async fn what_is_undone_leaves_nothing(scene: Scene) {
    let before = scene.version().await;
    let dropped = user(&scene.time, "dropped@example.com");
    let mut tx = scene.store.begin().await.unwrap();
    users::insert(&mut tx, &dropped).await.unwrap();
    drop(tx);
    let mut tx = scene.store.begin().await.unwrap();
    users::insert(&mut tx, &dropped).await.unwrap();
    drop(tx);
    assert_eq!(scene.version().await, before);
    assert_eq!(users::find(&scene.store, dropped.id).await.unwrap(), None);
}

pub(crate) async fn forgotten_changes_are_known_to_be_missing(scene: Scene) {
    let before = scene.version().await;
    for number in 0..5 {
        scene.user(&format!("user{number}@example.com")).await;
    }
    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(changes::forget(&mut tx, 2).await.unwrap(), 3);
    tx.commit().await.unwrap();
    let mut tx = scene.store.begin_read().await.unwrap();
    assert_eq!(changes::since(&mut tx, before, 100).await.unwrap(), None);
    assert_eq!(
        changes::since(&mut tx, before + 2, 100).await.unwrap(),
        None
    );
    let remembered = changes::since(&mut tx, before + 3, 100)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(remembered.len(), 2);
    assert_eq!(
        changes::since(&mut tx, before + 5, 100).await.unwrap(),
        Some(Vec::new())
    );
    drop(tx);

    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(changes::forget(&mut tx, 0).await.unwrap(), 2);
    tx.commit().await.unwrap();
    let mut tx = scene.store.begin_read().await.unwrap();
    assert_eq!(
        changes::since(&mut tx, before + 4, 100).await.unwrap(),
        None
    );
    assert_eq!(
        changes::since(&mut tx, before + 5, 100).await.unwrap(),
        Some(Vec::new())
    );
}

pub(crate) async fn a_limit_that_is_passed_gives_nothing(scene: Scene) {
    let before = scene.version().await;
    for number in 0..3 {
        scene.user(&format!("user{number}@example.com")).await;
    }
    let mut tx = scene.store.begin_read().await.unwrap();
    assert_eq!(changes::since(&mut tx, before, 2).await.unwrap(), None);
    assert_eq!(
        changes::since(&mut tx, before, 3)
            .await
            .unwrap()
            .unwrap()
            .len(),
        3
    );
}

pub(crate) async fn writers_wait_for_one_another(scene: Scene) {
    const WRITERS: i64 = 12;
    let before = scene.version().await;
    let scene = Arc::new(scene);
    let writers = (0..WRITERS).map(|number| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            let store = if number % 2 == 0 {
                scene.store.clone()
            } else {
                scene.replica().await
            };
            let mut tx = store.begin().await.unwrap();
            // What was read stays true until the commit.
            let seen = changes::current_version(&mut tx).await.unwrap();
            tokio::task::yield_now().await;
            users::insert(
                &mut tx,
                &user(&scene.time, &format!("user{number}@example.com")),
            )
            .await
            .unwrap();
            assert_eq!(changes::current_version(&mut tx).await.unwrap(), seen + 1);
            tx.commit().await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(scene.version().await, before + WRITERS);
}

pub(crate) async fn readers_see_one_moment(scene: Scene) {
    let mut tx = scene.store.begin_read().await.unwrap();
    let before = changes::current_version(&mut tx).await.unwrap();
    scene.user("later@example.com").await;
    assert_eq!(changes::current_version(&mut tx).await.unwrap(), before);
    assert!(users::all(&mut tx).await.unwrap().is_empty());
    drop(tx);
    assert_eq!(users::all(&scene.store).await.unwrap().len(), 1);
}

pub(crate) async fn texts_with_null_characters_are_kept_alike(scene: Scene) {
    let mut person = user(&scene.time, "null@example.com");
    person.name = "a\0b".to_owned();
    let mut tx = scene.store.begin().await.unwrap();
    users::insert(&mut tx, &person).await.unwrap();
    tx.commit().await.unwrap();
    let found = users::find(&scene.store, person.id).await.unwrap().unwrap();
    assert_eq!(found.name, "a\u{fffd}b");
}
