use chrono::Duration;
use warder_control_plane::domain::{AuthOverride, Change, PageRequest};
use warder_control_plane::store::{StoreError, auth_overrides};
use warder_shared::id::{OverrideId, ServerId};
use warder_shared::principal::Principal;

use crate::support::Scene;
use crate::support::settle;

fn record(scene: &Scene, server_id: ServerId, subject: Principal) -> AuthOverride {
    let now = scene.time.now();
    AuthOverride {
        id: OverrideId::new(&scene.time.clock()),
        server_id,
        subject,
        hints: [("API_KEY".to_owned(), "4567".to_owned())].into(),
        origin: "https://mcp.example:8443".to_owned(),
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

async fn put(scene: &Scene, record: &AuthOverride) {
    let mut tx = scene.store.begin().await.unwrap();
    auth_overrides::put(&mut tx, record, b"sealed")
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn an_override_survives_writing_and_reading(scene: Scene) {
    let (server, user) = (
        scene.server("github").await.id,
        scene.user("ada@example.com").await.id,
    );
    let ada = Principal::User(user);
    let mut written = record(&scene, server, ada);
    put(&scene, &written).await;
    let found = auth_overrides::find(&scene.store, server, ada)
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&written));

    scene.time.advance(Duration::seconds(1));
    written.hints = [("OTHER".to_owned(), String::new())].into();
    written.origin = "https://other.example".to_owned();
    (written.revision, written.updated_at) = (2, scene.time.now());
    let mut tx = scene.store.begin().await.unwrap();
    auth_overrides::put(&mut tx, &written, b"again")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let found = auth_overrides::find_sealed(&scene.store, server, ada)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.record, found.sealed_values),
        (written.clone(), b"again".to_vec())
    );
    let twin = Principal::VirtualAccount(warder_shared::id::VirtualAccountId::from_uuid(
        user.as_uuid(),
    ));
    assert_eq!(
        auth_overrides::find(&scene.store, server, twin)
            .await
            .unwrap(),
        None
    );

    let mut tx = scene.store.begin().await.unwrap();
    let second = auth_overrides::put(&mut tx, &record(&scene, server, ada), b"x").await;
    assert!(matches!(second, Err(StoreError::Conflict)), "{second:?}");
    drop(tx);
    let mut tx = scene.store.begin().await.unwrap();
    let nowhere = ServerId::new(&scene.time.clock());
    let lost = auth_overrides::put(&mut tx, &record(&scene, nowhere, ada), b"x").await;
    assert!(
        matches!(lost, Err(StoreError::MissingReference)),
        "{lost:?}"
    );
    drop(tx);

    let mut tx = scene.store.begin().await.unwrap();
    assert!(auth_overrides::delete(&mut tx, server, ada).await.unwrap());
    assert!(!auth_overrides::delete(&mut tx, server, ada).await.unwrap());
    settle(&mut tx);
    tx.commit().await.unwrap();
    assert_eq!(
        auth_overrides::find(&scene.store, server, ada)
            .await
            .unwrap(),
        None
    );
}

pub(crate) async fn overrides_are_listed_in_pages(scene: Scene) {
    let (server, other) = (
        scene.server("github").await.id,
        scene.server("other").await.id,
    );
    let mut written = Vec::new();
    for number in 0..3 {
        scene.time.advance(Duration::seconds(1));
        let user = scene.user(&format!("user{number}@example.com")).await;
        written.push(record(&scene, server, Principal::User(user.id)));
        put(&scene, &written[number]).await;
    }
    put(&scene, &record(&scene, other, written[0].subject)).await;
    let first = PageRequest::first(2);
    let page = auth_overrides::list_of_server(&scene.store, server, &first)
        .await
        .unwrap();
    assert_eq!(page.items, written[..2]);
    let rest = PageRequest {
        after: page.next,
        limit: 2,
    };
    let page = auth_overrides::list_of_server(&scene.store, server, &rest)
        .await
        .unwrap();
    assert_eq!((page.items, page.next), (vec![written[2].clone()], None));
    let own = auth_overrides::of_subject(&scene.store, written[0].subject)
        .await
        .unwrap();
    assert_eq!(own.len(), 2);
}

pub(crate) async fn the_first_and_the_last_override_change_the_server(scene: Scene) {
    let server = scene.server("github").await.id;
    let ada = Principal::User(scene.user("ada@example.com").await.id);
    let bob = Principal::User(scene.user("bob@example.com").await.id);
    let changed = async |before| {
        scene
            .changes_since(before)
            .await
            .contains(&Change::Server(server))
    };
    assert!(
        !auth_overrides::exist_for_server(&scene.store, server)
            .await
            .unwrap()
    );

    let before = scene.version().await;
    put(&scene, &record(&scene, server, ada)).await;
    assert!(changed(before).await);
    assert!(
        scene
            .changes_since(before)
            .await
            .contains(&Change::Credential(server, ada))
    );
    assert!(
        auth_overrides::exist_for_server(&scene.store, server)
            .await
            .unwrap()
    );
    assert_eq!(
        auth_overrides::overridden_servers(&scene.store)
            .await
            .unwrap(),
        [server]
    );

    let before = scene.version().await;
    put(&scene, &record(&scene, server, bob)).await;
    assert_eq!(
        scene.changes_since(before).await,
        [Change::Credential(server, bob)]
    );

    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    auth_overrides::delete(&mut tx, server, ada).await.unwrap();
    settle(&mut tx);
    tx.commit().await.unwrap();
    assert_eq!(
        scene.changes_since(before).await,
        [Change::Credential(server, ada)]
    );

    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    let removed = auth_overrides::delete_of_server(&mut tx, server)
        .await
        .unwrap();
    settle(&mut tx);
    tx.commit().await.unwrap();
    assert_eq!(removed, [bob]);
    assert!(changed(before).await);
    assert!(
        auth_overrides::overridden_servers(&scene.store)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_subject_takes_its_overrides_along(scene: Scene) {
    let (one, two) = (scene.server("one").await.id, scene.server("two").await.id);
    let robot = Principal::VirtualAccount(scene.virtual_account("robot").await.id);
    let ada = Principal::User(scene.user("ada@example.com").await.id);
    for (server, subject) in [(one, robot), (two, robot), (two, ada)] {
        put(&scene, &record(&scene, server, subject)).await;
    }
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    let mut servers = auth_overrides::delete_of_subject(&mut tx, robot)
        .await
        .unwrap();
    settle(&mut tx);
    tx.commit().await.unwrap();
    servers.sort();
    let mut expected = vec![one, two];
    expected.sort();
    assert_eq!(servers, expected);
    let changes = scene.changes_since(before).await;
    assert!(changes.contains(&Change::Credential(one, robot)));
    assert!(changes.contains(&Change::Credential(two, robot)));
    assert_eq!(
        auth_overrides::of_subject(&scene.store, ada)
            .await
            .unwrap()
            .len(),
        1
    );
}
