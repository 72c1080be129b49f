use warder_control_plane::domain::{Change, PageRequest};
use warder_control_plane::store::{StoreError, virtual_accounts};

use crate::support::{Scene, name, virtual_account};

pub(crate) async fn an_account_survives_writing_and_reading(scene: Scene) {
    let before = scene.version().await;
    let mut account = scene.virtual_account("robot").await;
    assert_eq!(
        scene.changes_since(before).await,
        [Change::VirtualAccount(account.id)]
    );
    account.description = "Does the dishes".to_owned();
    let mut tx = scene.store.begin().await.unwrap();
    assert!(virtual_accounts::update(&mut tx, &account).await.unwrap());
    assert!(
        !virtual_accounts::update(&mut tx, &virtual_account(&scene.time, "other"))
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let found = virtual_accounts::find(&scene.store, account.id)
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&account));
    let found = virtual_accounts::find_by_name(&scene.store, &name("robot"))
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&account));
    let mut tx = scene.store.begin().await.unwrap();
    let twin = virtual_accounts::insert(&mut tx, &virtual_account(&scene.time, "robot")).await;
    assert!(matches!(twin, Err(StoreError::Conflict)), "{twin:?}");
    drop(tx);

    let other = scene.virtual_account("android").await;
    let page = virtual_accounts::list(&scene.store, &PageRequest::first(1))
        .await
        .unwrap();
    assert_eq!(
        (page.items, page.next.clone()),
        (vec![other.clone()], Some(name("android")))
    );
    let rest = PageRequest {
        after: page.next,
        limit: 9,
    };
    let page = virtual_accounts::list(&scene.store, &rest).await.unwrap();
    assert_eq!((page.items, page.next), (vec![account.clone()], None));
    assert_eq!(virtual_accounts::all(&scene.store).await.unwrap().len(), 2);

    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    assert!(virtual_accounts::delete(&mut tx, account.id).await.unwrap());
    assert!(!virtual_accounts::delete(&mut tx, account.id).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(
        scene.changes_since(before).await,
        [Change::VirtualAccount(account.id)]
    );
    assert_eq!(virtual_accounts::all(&scene.store).await.unwrap(), [other]);
}
