use chrono::Duration;
use serde_json::json;
use warder_control_plane::domain::{
    Actor, ActorKind, AuditEvent, AuditSource, ObjectKind, Outcome, PageRequest,
};
use warder_control_plane::store::audit_events::{self, AuditFilter};
use warder_shared::id::{EventId, UserId};
use warder_shared::principal::Principal;

use crate::support::Scene;

fn event(scene: &Scene, action: &str) -> AuditEvent {
    AuditEvent {
        id: EventId::new(&scene.time.clock()),
        at: scene.time.now(),
        source: AuditSource::ControlPlane,
        actor: Actor::system(),
        action: action.to_owned(),
        object_kind: None,
        object_name: None,
        server: None,
        tool: None,
        outcome: Outcome::Allowed,
        reason: None,
        request_id: None,
        node: None,
        detail: json!({}),
    }
}

async fn insert(scene: &Scene, event: &AuditEvent) -> bool {
    let mut tx = scene.store.begin_append().await.unwrap();
    let new = audit_events::insert(&mut tx, event).await.unwrap();
    tx.commit().await.unwrap();
    new
}

async fn actions(scene: &Scene, filter: AuditFilter) -> Vec<String> {
    let page = audit_events::list(&scene.store, &filter, &PageRequest::first(100))
        .await
        .unwrap();
    page.items.into_iter().map(|event| event.action).collect()
}

pub(crate) async fn an_event_survives_writing_and_reading(scene: Scene) {
    let ada = Principal::User(UserId::new(&scene.time.clock()));
    let full = AuditEvent {
        source: AuditSource::DataPlane,
        actor: Actor::principal(ada, Some("ada@example.com".to_owned())),
        object_kind: Some(ObjectKind::Server),
        object_name: Some("github".to_owned()),
        server: Some("github".to_owned()),
        tool: Some("search\0".to_owned()),
        outcome: Outcome::Denied,
        reason: Some("not_granted".to_owned()),
        request_id: Some("r1".to_owned()),
        node: Some("pod-1".to_owned()),
        detail: json!({"nested\0": ["\0", 1, null, 0.5]}),
        ..event(&scene, "tools/call")
    };
    assert!(insert(&scene, &full).await);
    let read = audit_events::list(
        &scene.store,
        &AuditFilter::default(),
        &PageRequest::first(1),
    )
    .await;
    let expected = AuditEvent {
        tool: Some("search\u{fffd}".to_owned()),
        detail: json!({"nested\u{fffd}": ["\u{fffd}", 1, null, 0.5]}),
        ..full
    };
    assert_eq!(read.unwrap().items, [expected]);
}

pub(crate) async fn the_same_event_is_stored_once(scene: Scene) {
    let first = event(&scene, "first");
    assert!(insert(&scene, &first).await);
    assert!(
        !insert(
            &scene,
            &AuditEvent {
                action: "forged".to_owned(),
                ..first
            }
        )
        .await
    );
    assert_eq!(actions(&scene, AuditFilter::default()).await, ["first"]);
}

pub(crate) async fn events_are_listed_newest_first_in_pages(scene: Scene) {
    // Whole seconds, milliseconds and microseconds sort by time; equal times by id.
    let start = scene.time.now() - Duration::microseconds(123_456);
    for (offset, action) in [(0, "a"), (123_000, "b"), (123_456, "c"), (1_000_000, "d")] {
        let at = start + Duration::microseconds(offset);
        assert!(
            insert(
                &scene,
                &AuditEvent {
                    at,
                    ..event(&scene, action)
                }
            )
            .await
        );
    }
    let twins = [event(&scene, "twin"), event(&scene, "twin")];
    for twin in &twins {
        let at = start + Duration::microseconds(1_000_000);
        insert(&scene, &AuditEvent { at, ..twin.clone() }).await;
    }
    let mut seen = Vec::new();
    let mut request = PageRequest::first(2);
    loop {
        let page = audit_events::list(&scene.store, &AuditFilter::default(), &request)
            .await
            .unwrap();
        seen.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    let keys: Vec<_> = seen.iter().map(|event| (event.at, event.id)).collect();
    let mut sorted = keys.clone();
    sorted.sort();
    sorted.reverse();
    assert_eq!(keys, sorted);
    let tail: Vec<_> = seen[3..]
        .iter()
        .map(|event| event.action.as_str())
        .collect();
    assert_eq!(tail, ["c", "b", "a"]);
}

pub(crate) async fn events_are_filtered(scene: Scene) {
    let ada = Actor::principal(Principal::User(UserId::new(&scene.time.clock())), None);
    let start = scene.time.now();
    let with = |action: &str, change: fn(AuditEvent) -> AuditEvent| change(event(&scene, action));
    insert(&scene, &with("plain", |event| event)).await;
    insert(
        &scene,
        &with("server", |event| AuditEvent {
            server: Some("github".into()),
            ..event
        }),
    )
    .await;
    insert(
        &scene,
        &with("tool", |event| AuditEvent {
            tool: Some("search".into()),
            ..event
        }),
    )
    .await;
    insert(
        &scene,
        &with("denied", |event| AuditEvent {
            outcome: Outcome::Denied,
            ..event
        }),
    )
    .await;
    insert(
        &scene,
        &AuditEvent {
            actor: ada.clone(),
            ..event(&scene, "ada")
        },
    )
    .await;
    scene.time.advance(Duration::seconds(1));
    insert(&scene, &event(&scene, "late")).await;

    let filter = AuditFilter {
        server: Some("github".into()),
        ..AuditFilter::default()
    };
    assert_eq!(actions(&scene, filter).await, ["server"]);
    let filter = AuditFilter {
        tool: Some("search".into()),
        ..AuditFilter::default()
    };
    assert_eq!(actions(&scene, filter).await, ["tool"]);
    let filter = AuditFilter {
        outcome: Some(Outcome::Denied),
        ..AuditFilter::default()
    };
    assert_eq!(actions(&scene, filter).await, ["denied"]);
    let filter = AuditFilter {
        actor_kind: Some(ActorKind::User),
        actor_id: ada.id,
        ..AuditFilter::default()
    };
    assert_eq!(actions(&scene, filter).await, ["ada"]);
    let filter = AuditFilter {
        actor_kind: Some(ActorKind::Node),
        ..AuditFilter::default()
    };
    assert!(actions(&scene, filter).await.is_empty());
    let filter = AuditFilter {
        from: Some(scene.time.now()),
        ..AuditFilter::default()
    };
    assert_eq!(actions(&scene, filter).await, ["late"]);
    let filter = AuditFilter {
        from: Some(start),
        until: Some(scene.time.now()),
        ..AuditFilter::default()
    };
    assert_eq!(actions(&scene, filter).await.len(), 5);
}

pub(crate) async fn the_oldest_events_are_deleted_first(scene: Scene) {
    for action in ["first", "second", "third", "fourth"] {
        assert!(insert(&scene, &event(&scene, action)).await);
        scene.time.advance(Duration::minutes(1));
    }
    let limit = scene.time.now() - Duration::minutes(1);
    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(
        audit_events::delete_before(&mut tx, limit, 2)
            .await
            .unwrap(),
        2
    );
    tx.commit().await.unwrap();
    assert_eq!(
        actions(&scene, AuditFilter::default()).await,
        ["fourth", "third"]
    );
    let mut tx = scene.store.begin().await.unwrap();
    assert_eq!(
        audit_events::delete_before(&mut tx, limit, 2)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        audit_events::delete_before(&mut tx, limit, 2)
            .await
            .unwrap(),
        0
    );
    tx.commit().await.unwrap();
    assert_eq!(actions(&scene, AuditFilter::default()).await, ["fourth"]);
}
