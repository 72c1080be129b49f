use std::collections::HashSet;

use warder_control_plane::domain::{Change, PageRequest, Team};
use warder_control_plane::store::{StoreError, teams};
use warder_shared::id::UserId;

use crate::support::{Scene, name};

pub(crate) async fn a_team_survives_writing_and_reading(scene: Scene) {
    let mut team = scene.team("blue").await;
    assert_eq!(
        teams::find(&scene.store, team.id).await.unwrap().as_ref(),
        Some(&team)
    );
    team.display_name = "Blue".to_owned();
    let mut tx = scene.store.begin().await.unwrap();
    assert!(teams::update(&mut tx, &team).await.unwrap());
    let twin = Team {
        id: warder_shared::id::TeamId::new(&scene.time.clock()),
        ..team.clone()
    };
    assert!(!teams::update(&mut tx, &twin).await.unwrap());
    tx.commit().await.unwrap();
    let found = teams::find_by_name(&scene.store, &name("blue"))
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&team));
    let mut tx = scene.store.begin().await.unwrap();
    assert!(matches!(
        teams::insert(&mut tx, &twin).await,
        Err(StoreError::Conflict)
    ));
    drop(tx);

    let azure = scene.team("azure").await;
    let page = teams::list(&scene.store, &PageRequest::first(1))
        .await
        .unwrap();
    assert_eq!(
        (page.items, page.next.clone()),
        (vec![azure], Some(name("azure")))
    );
    let rest = PageRequest {
        after: page.next,
        limit: 5,
    };
    assert_eq!(
        teams::list(&scene.store, &rest).await.unwrap().items,
        [team]
    );
}

pub(crate) async fn members_come_and_go(scene: Scene) {
    let team = scene.team("blue").await;
    let (ada, bob) = (
        scene.user("ada@example.com").await,
        scene.user("bob@example.com").await,
    );
    let cleo = scene.user("cleo@example.com").await;
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    let members = [bob.id, ada.id, bob.id];
    assert!(
        teams::replace_members(&mut tx, team.id, &members)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let changed: HashSet<_> = scene.changes_since(before).await.into_iter().collect();
    assert_eq!(changed, [Change::User(ada.id), Change::User(bob.id)].into());
    let members = teams::members(&scene.store, team.id).await.unwrap();
    assert_eq!(members, [ada.clone(), bob.clone()]);
    assert_eq!(
        teams::of_user(&scene.store, ada.id).await.unwrap(),
        std::slice::from_ref(&team)
    );

    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    assert!(
        teams::replace_members(&mut tx, team.id, &[cleo.id, bob.id])
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let changed: HashSet<_> = scene.changes_since(before).await.into_iter().collect();
    assert_eq!(
        changed,
        [Change::User(ada.id), Change::User(cleo.id)].into()
    );
    let mut tx = scene.store.begin().await.unwrap();
    assert!(
        !teams::replace_members(&mut tx, team.id, &[bob.id, cleo.id])
            .await
            .unwrap()
    );
    assert_eq!(teams::all_memberships(&mut tx).await.unwrap().len(), 2);
    drop(tx);

    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    assert!(teams::delete(&mut tx, team.id).await.unwrap());
    assert!(!teams::delete(&mut tx, team.id).await.unwrap());
    tx.commit().await.unwrap();
    let changed: HashSet<_> = scene.changes_since(before).await.into_iter().collect();
    assert_eq!(
        changed,
        [Change::User(bob.id), Change::User(cleo.id)].into()
    );
    assert!(
        teams::all_memberships(&scene.store)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn only_users_can_be_members(scene: Scene) {
    let team = scene.team("blue").await;
    let mut tx = scene.store.begin().await.unwrap();
    let nobody = UserId::new(&scene.time.clock());
    let replaced = teams::replace_members(&mut tx, team.id, &[nobody]).await;
    assert!(
        matches!(replaced, Err(StoreError::MissingReference)),
        "{replaced:?}"
    );
}
