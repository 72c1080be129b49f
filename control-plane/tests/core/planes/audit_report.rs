use chrono::Duration;
use secrecy::ExposeSecret as _;
use warder_control_plane::domain::{
    Actor, ActorKind, AuditEvent, AuditSource, ObjectKind, Outcome, PageRequest,
};
use warder_control_plane::service::audit_report::{self, MAX_EVENTS, ReportFailure};
use warder_control_plane::service::nodes::Node;
use warder_control_plane::store::audit_events::{self, AuditFilter};
use warder_shared::id::{EventId, TokenId};
use warder_shared::principal::Principal;
use warder_shared::proto::{timestamp, v1};

use crate::planes::scene::{ENROLLMENT_SECRET, Plane};

fn node(plane: &Plane) -> Node {
    let credential = plane.nodes.enroll(ENROLLMENT_SECRET, "pod-1").unwrap();
    plane
        .nodes
        .authenticate(credential.token.expose_secret())
        .unwrap()
}

fn event(plane: &Plane, principal: Option<Principal>) -> v1::AuditEvent {
    v1::AuditEvent {
        id: EventId::new(&plane.scene.time.clock()).to_string(),
        at: Some(timestamp(plane.scene.time.now())),
        principal: principal
            .map(|principal| principal.to_string())
            .unwrap_or_default(),
        server: "github".to_owned(),
        method: "tools/call".to_owned(),
        object: "search".to_owned(),
        outcome: v1::Outcome::Denied.into(),
        reason: "not_granted".to_owned(),
        http_status: 200,
        duration_us: 1234,
        request_id: "r1".to_owned(),
        ..v1::AuditEvent::default()
    }
}

async fn stored(plane: &Plane) -> Vec<AuditEvent> {
    let filter = AuditFilter::default();
    let page = audit_events::list(&plane.scene.store, &filter, &PageRequest::first(100)).await;
    let reported = |event: &AuditEvent| event.source == AuditSource::DataPlane;
    page.unwrap().items.into_iter().filter(reported).collect()
}

#[tokio::test]
async fn an_event_is_stored_with_names_and_once() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let robot = Principal::VirtualAccount(plane.scene.virtual_account("robot").await.id);
    let token = TokenId::new(&plane.scene.time.clock());
    let first = v1::AuditEvent {
        token_id: token.to_string(),
        ..event(&plane, Some(ada))
    };
    let events = vec![
        first.clone(),
        event(&plane, Some(robot)),
        event(&plane, None),
    ];
    let report = async |events: Vec<v1::AuditEvent>| {
        audit_report::report(&plane.scene.store, &node(&plane), events)
            .await
            .unwrap()
    };
    assert_eq!(report(events.clone()).await, 3);
    assert_eq!(report(events).await, 0);
    let read = stored(&plane).await;
    assert_eq!(read.len(), 3);
    let of_ada = read
        .iter()
        .find(|event| event.actor.kind == ActorKind::User)
        .unwrap();
    let expected = AuditEvent {
        id: first.id.parse().unwrap(),
        at: plane.scene.time.now(),
        source: AuditSource::DataPlane,
        actor: Actor::principal(ada, Some("ada@example.com".to_owned())),
        action: "tools/call".to_owned(),
        object_kind: Some(ObjectKind::Server),
        object_name: Some("github".to_owned()),
        server: Some("github".to_owned()),
        tool: Some("search".to_owned()),
        outcome: Outcome::Denied,
        reason: Some("not_granted".to_owned()),
        request_id: Some("r1".to_owned()),
        node: Some("pod-1".to_owned()),
        detail: serde_json::json!({
            "http_status": 200, "duration_us": 1234, "token_id": token.to_string(),
        }),
    };
    assert_eq!(of_ada, &expected);
    let of_robot = read
        .iter()
        .find(|event| event.actor.kind == ActorKind::VirtualAccount)
        .unwrap();
    assert_eq!(
        of_robot.actor,
        Actor::principal(robot, Some("robot".to_owned()))
    );
    assert!(read.iter().any(|event| event.actor == Actor::anonymous()));
}

#[tokio::test]
async fn an_event_that_stands_for_others_says_for_how_many() {
    let plane = Plane::new().await;
    let events = [0, 1, 977].map(|count| v1::AuditEvent {
        count,
        ..event(&plane, None)
    });
    let ids = events.clone().map(|event| event.id.parse().unwrap());
    audit_report::report(&plane.scene.store, &node(&plane), events.to_vec())
        .await
        .unwrap();
    let read = stored(&plane).await;
    let count = |id: EventId| {
        let event = read.iter().find(|event| event.id == id).unwrap();
        event.detail.get("count").cloned()
    };
    assert_eq!(ids.map(count), [None, None, Some(977.into())]);
}

#[tokio::test]
async fn t58_what_callers_send_is_bounded_and_cannot_keep_others_out() {
    let plane = Plane::new().await;
    let hostile = v1::AuditEvent {
        object: "\u{0}\n\u{1b}[31mä".repeat(1000),
        principal: "user:nobody".to_owned(),
        ..event(&plane, None)
    };
    let good = event(&plane, None);
    let events = vec![
        v1::AuditEvent {
            id: "not an id".to_owned(),
            ..event(&plane, None)
        },
        v1::AuditEvent {
            outcome: 77,
            ..event(&plane, None)
        },
        v1::AuditEvent {
            outcome: 0,
            ..event(&plane, None)
        },
        hostile,
        good,
    ];
    let stored_now = audit_report::report(&plane.scene.store, &node(&plane), events)
        .await
        .unwrap();
    assert_eq!(stored_now, 2);
    let read = stored(&plane).await;
    let longest = read
        .iter()
        .map(|event| event.tool.as_ref().unwrap().chars().count())
        .max();
    assert_eq!(longest, Some(256));

    let too_many = vec![event(&plane, None); MAX_EVENTS + 1];
    let refused = audit_report::report(&plane.scene.store, &node(&plane), too_many).await;
    assert!(
        matches!(refused, Err(ReportFailure::TooMany)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn r19_an_event_from_another_time_gets_the_time_of_its_arrival() {
    let plane = Plane::new().await;
    let now = plane.scene.time.now();
    let times = [
        (Duration::zero(), Duration::zero()),
        (Duration::minutes(-10), Duration::minutes(-10)),
        (Duration::days(-29), Duration::days(-29)),
        (Duration::days(-31), Duration::zero()),
        (Duration::minutes(4), Duration::minutes(4)),
        (Duration::minutes(6), Duration::zero()),
        (Duration::days(365_000), Duration::zero()),
    ];
    for (claimed, kept) in times {
        let at = Some(timestamp(now + claimed));
        let sent = v1::AuditEvent {
            at,
            ..event(&plane, None)
        };
        let id: EventId = sent.id.parse().unwrap();
        audit_report::report(&plane.scene.store, &node(&plane), vec![sent])
            .await
            .unwrap();
        let found = stored(&plane)
            .await
            .into_iter()
            .find(|event| event.id == id)
            .unwrap();
        assert_eq!(found.at, now + kept, "{claimed}");
    }
    let sent = v1::AuditEvent {
        at: None,
        ..event(&plane, None)
    };
    assert_eq!(
        audit_report::report(&plane.scene.store, &node(&plane), vec![sent])
            .await
            .unwrap(),
        1
    );
}
