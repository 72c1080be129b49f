use chrono::Duration;
use warder_control_plane::domain::{SecretHash, Session, SignedInBy};
use warder_control_plane::store::{sessions, users};
use warder_shared::id::UserId;

use crate::support::Scene;

fn session(scene: &Scene, number: u8, user: UserId) -> Session {
    let now = scene.time.now();
    Session {
        id: SecretHash::from_bytes([number; 32]),
        user,
        signed_in_by: SignedInBy::Password,
        created_at: now,
        last_seen_at: now,
        expires_at: now + Session::LIFE,
    }
}

async fn insert(scene: &Scene, session: &Session) {
    let mut tx = scene.store.begin().await.unwrap();
    sessions::insert(&mut tx, session).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn a_session_survives_writing_and_reading(scene: Scene) {
    let user = scene.user("ada@example.com").await;
    let provider = SignedInBy::IdentityProvider("okta".parse().unwrap());
    let record = Session {
        signed_in_by: provider,
        ..session(&scene, 1, user.id)
    };
    insert(&scene, &record).await;
    let found = sessions::find(&scene.store, &record.id).await.unwrap();
    assert_eq!(found, Some(record.clone()));
    let nobody = SecretHash::from_bytes([9; 32]);
    assert_eq!(sessions::find(&scene.store, &nobody).await.unwrap(), None);

    scene.time.advance(Duration::minutes(5));
    let mut tx = scene.store.begin().await.unwrap();
    sessions::touch(&mut tx, &record.id).await.unwrap();
    tx.commit().await.unwrap();
    let found = sessions::find(&scene.store, &record.id).await.unwrap();
    assert_eq!(found.unwrap().last_seen_at, scene.time.now());
}

pub(crate) async fn the_sessions_of_a_user_end_together(scene: Scene) {
    let ada = scene.user("ada@example.com").await;
    let bob = scene.user("bob@example.com").await;
    let mut all = Vec::new();
    for (number, user) in [(1, &ada), (2, &bob), (3, &ada), (4, &ada)] {
        let record = session(&scene, number, user.id);
        insert(&scene, &record).await;
        all.push(record);
    }
    let of = async |user| sessions::of_user(&scene.store, user).await.unwrap();
    assert_eq!(of(ada.id).await.len(), 3);

    let mut tx = scene.store.begin().await.unwrap();
    let foreign = sessions::delete(&mut tx, ada.id, &all[1].id).await.unwrap();
    assert!(!foreign, "a session of somebody else");
    assert!(sessions::delete(&mut tx, ada.id, &all[3].id).await.unwrap());
    let others = sessions::delete_of_user(&mut tx, ada.id, Some(&all[0].id)).await;
    assert_eq!(others.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(of(ada.id).await, [all[0].clone()]);

    let mut tx = scene.store.begin().await.unwrap();
    let rest = sessions::delete_of_user(&mut tx, ada.id, None).await;
    assert_eq!(rest.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(of(ada.id).await, []);
    assert_eq!(of(bob.id).await, [all[1].clone()]);
}

pub(crate) async fn t44_sessions_end_with_their_user(scene: Scene) {
    let user = scene.user("ada@example.com").await;
    let record = session(&scene, 1, user.id);
    insert(&scene, &record).await;
    let mut tx = scene.store.begin().await.unwrap();
    users::delete(&mut tx, user.id).await.unwrap();
    tx.commit().await.unwrap();
    let found = sessions::find(&scene.store, &record.id).await.unwrap();
    assert_eq!(found, None);
}

pub(crate) async fn ended_sessions_are_forgotten(scene: Scene) {
    let user = scene.user("ada@example.com").await;
    let old = session(&scene, 1, user.id);
    insert(&scene, &old).await;
    scene
        .time
        .advance(Session::IDLE - Duration::microseconds(1));
    let forget = async || {
        let mut tx = scene.store.begin().await.unwrap();
        let now = tx.now();
        let forgotten = sessions::delete_ended(&mut tx, now).await.unwrap();
        tx.commit().await.unwrap();
        forgotten
    };
    assert!(old.is_live(scene.time.now()));
    assert_eq!(forget().await, 0);
    scene.time.advance(Duration::microseconds(1));
    assert!(!old.is_live(scene.time.now()));
    assert_eq!(forget().await, 1);

    let used = Session {
        last_seen_at: old.created_at + Session::LIFE,
        ..session(&scene, 2, user.id)
    };
    let long = Session {
        expires_at: scene.time.now(),
        ..used
    };
    insert(&scene, &long).await;
    assert!(!long.is_live(scene.time.now()));
    assert_eq!(forget().await, 1);
}
