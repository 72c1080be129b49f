use chrono::Duration;
use warder_control_plane::domain::{Change, PageRequest, TenantRole, UserStatus};
use warder_control_plane::store::{StoreError, teams, users};
use warder_shared::id::UserId;

use crate::support::{Scene, email, user};

pub(crate) async fn a_user_survives_writing_and_reading(scene: Scene) {
    let before = scene.version().await;
    let mut person = scene.user("ada@example.com").await;
    assert_eq!(scene.changes_since(before).await, [Change::User(person.id)]);
    assert_eq!(
        users::find(&scene.store, person.id).await.unwrap().as_ref(),
        Some(&person)
    );

    scene.time.advance(Duration::seconds(1));
    person.email = email("ada.lovelace@example.com");
    person.name = "Ada Lovelace".to_owned();
    person.roles = vec![TenantRole::Admin, TenantRole::Member];
    person.status = UserStatus::Disabled;
    person.updated_at = scene.time.now();
    let mut tx = scene.store.begin().await.unwrap();
    assert!(users::update(&mut tx, &person).await.unwrap());
    assert_eq!(
        users::find(&mut tx, person.id).await.unwrap().as_ref(),
        Some(&person)
    );
    tx.commit().await.unwrap();
    let found = users::find_by_email(&scene.store, &person.email)
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&person));
    assert_eq!(
        users::find_by_email(&scene.store, &email("ada@example.com"))
            .await
            .unwrap(),
        None
    );
    assert_eq!(users::all(&scene.store).await.unwrap(), [person]);

    let mut tx = scene.store.begin().await.unwrap();
    assert!(
        !users::update(&mut tx, &user(&scene.time, "nobody@example.com"))
            .await
            .unwrap()
    );
}

pub(crate) async fn two_users_cannot_share_an_address(scene: Scene) {
    scene.user("ada@example.com").await;
    let mut other = scene.user("other@example.com").await;
    let mut tx = scene.store.begin().await.unwrap();
    let inserted = users::insert(&mut tx, &user(&scene.time, "ada@example.com")).await;
    assert!(
        matches!(inserted, Err(StoreError::Conflict)),
        "{inserted:?}"
    );
    drop(tx);
    other.email = email("ada@example.com");
    let mut tx = scene.store.begin().await.unwrap();
    let updated = users::update(&mut tx, &other).await;
    assert!(matches!(updated, Err(StoreError::Conflict)), "{updated:?}");
}

pub(crate) async fn users_are_listed_by_address(scene: Scene) {
    // Bytes decide, not a language: `-` and digits come before letters.
    let sorted = [
        "a-b@example.com",
        "a1@example.com",
        "ab@example.com",
        "b@example.com",
    ];
    for address in sorted.iter().rev() {
        scene.user(address).await;
    }
    let mut request = PageRequest::first(3);
    let page = users::list(&scene.store, &request).await.unwrap();
    let addresses = |users: &[warder_control_plane::domain::User]| {
        users
            .iter()
            .map(|user| user.email.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(addresses(&page.items), sorted[..3]);
    request.after = page.next;
    assert_eq!(request.after, Some(email(sorted[2])));
    let page = users::list(&scene.store, &request).await.unwrap();
    assert_eq!(addresses(&page.items), sorted[3..]);
    assert_eq!(page.next, None);
}

pub(crate) async fn active_administrators_are_counted(scene: Scene) {
    let mut tx = scene.store.begin().await.unwrap();
    let mut ids = Vec::<UserId>::new();
    let states = [
        (vec![TenantRole::Admin], UserStatus::Active),
        (
            vec![TenantRole::Admin, TenantRole::Member],
            UserStatus::Active,
        ),
        (vec![TenantRole::Admin], UserStatus::Disabled),
        (vec![TenantRole::Member], UserStatus::Active),
    ];
    for (number, (roles, status)) in states.into_iter().enumerate() {
        let mut person = user(&scene.time, &format!("user{number}@example.com"));
        (person.roles, person.status) = (roles, status);
        users::insert(&mut tx, &person).await.unwrap();
        ids.push(person.id);
    }
    assert_eq!(users::count_active_admins(&mut tx, None).await.unwrap(), 2);
    assert_eq!(
        users::count_active_admins(&mut tx, Some(ids[0]))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        users::count_active_admins(&mut tx, Some(ids[2]))
            .await
            .unwrap(),
        2
    );
}

pub(crate) async fn deleting_a_user_ends_memberships(scene: Scene) {
    let (person, team) = (
        scene.user("ada@example.com").await,
        scene.team("blue").await,
    );
    let mut tx = scene.store.begin().await.unwrap();
    teams::replace_members(&mut tx, team.id, &[person.id])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    assert!(users::delete(&mut tx, person.id).await.unwrap());
    assert!(!users::delete(&mut tx, person.id).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(scene.changes_since(before).await, [Change::User(person.id)]);
    assert_eq!(users::find(&scene.store, person.id).await.unwrap(), None);
    assert!(
        teams::members(&scene.store, team.id)
            .await
            .unwrap()
            .is_empty()
    );
}
