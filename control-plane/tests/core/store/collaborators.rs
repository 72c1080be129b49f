use std::collections::HashSet;

use warder_control_plane::domain::{Change, Collaborator};
use warder_control_plane::store::{StoreError, collaborators};
use warder_shared::id::ServerId;
use warder_shared::policy::{Grant, Role};
use warder_shared::principal::Subject;

use crate::support::Scene;

fn grant(subject: Subject, role: Role) -> Grant {
    Grant {
        subject,
        role,
        tools: None,
        deny_tools: Vec::new(),
    }
}

async fn put(scene: &Scene, server_id: ServerId, grant: &Grant) {
    let mut tx = scene.store.begin().await.unwrap();
    let rule = Collaborator {
        server_id,
        grant: grant.clone(),
    };
    collaborators::put(&mut tx, &rule).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn a_rule_survives_writing_and_reading(scene: Scene) {
    let server = scene.server("github").await.id;
    let before = scene.version().await;
    let written = [
        grant(Subject::Everyone, Role::User),
        Grant {
            tools: Some(Vec::new()),
            ..grant(
                Subject::User(scene.user("ada@example.com").await.id),
                Role::Manager,
            )
        },
        Grant {
            tools: Some(vec!["read_*".to_owned()]),
            deny_tools: vec!["*_all".to_owned()],
            ..grant(Subject::Team(scene.team("blue").await.id), Role::User)
        },
        grant(
            Subject::VirtualAccount(scene.virtual_account("robot").await.id),
            Role::Manager,
        ),
    ];
    for grant in &written {
        put(&scene, server, grant).await;
    }
    assert!(
        scene
            .changes_since(before)
            .await
            .contains(&Change::Server(server))
    );
    let read = collaborators::of_server(&scene.store, server)
        .await
        .unwrap();
    assert_eq!(read.len(), written.len());
    for grant in &written {
        assert!(read.contains(grant), "{grant:?}");
    }
    let all = collaborators::all(&scene.store).await.unwrap();
    assert_eq!(
        all.into_iter().map(|rule| rule.grant).collect::<Vec<_>>(),
        read
    );

    let changed = Grant {
        tools: Some(vec!["x".to_owned()]),
        ..grant(Subject::Everyone, Role::Manager)
    };
    put(&scene, server, &changed).await;
    let read = collaborators::of_server(&scene.store, server)
        .await
        .unwrap();
    assert_eq!(read.len(), written.len());
    assert!(read.contains(&changed));
}

pub(crate) async fn the_rules_of_a_server_are_replaced(scene: Scene) {
    let (server, other) = (
        scene.server("github").await.id,
        scene.server("other").await.id,
    );
    let ada = Subject::User(scene.user("ada@example.com").await.id);
    for id in [server, other] {
        put(&scene, id, &grant(Subject::Everyone, Role::User)).await;
    }
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    let rules = [grant(ada, Role::User), grant(ada, Role::Manager)];
    collaborators::replace_of_server(&mut tx, server, &rules)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scene.changes_since(before).await, [Change::Server(server)]);
    let read = collaborators::of_server(&scene.store, server)
        .await
        .unwrap();
    assert_eq!(read, [grant(ada, Role::Manager)]);
    assert_eq!(
        collaborators::of_server(&scene.store, other)
            .await
            .unwrap()
            .len(),
        1
    );

    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    collaborators::replace_of_server(&mut tx, server, &[])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scene.changes_since(before).await, [Change::Server(server)]);
    assert!(
        collaborators::of_server(&scene.store, server)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn the_rules_of_a_subject_are_replaced(scene: Scene) {
    let (one, two) = (scene.server("one").await.id, scene.server("two").await.id);
    let three = scene.server("three").await.id;
    let robot = Subject::VirtualAccount(scene.virtual_account("robot").await.id);
    put(&scene, one, &grant(robot, Role::User)).await;
    put(&scene, two, &grant(robot, Role::User)).await;
    put(&scene, one, &grant(Subject::Everyone, Role::User)).await;
    let before = scene.version().await;
    let rules = [two, three].map(|server_id| Collaborator {
        server_id,
        grant: grant(robot, Role::User),
    });
    let mut tx = scene.store.begin().await.unwrap();
    collaborators::replace_of_subject(&mut tx, robot, &rules)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let changed: HashSet<_> = scene.changes_since(before).await.into_iter().collect();
    assert_eq!(
        changed,
        [Change::Server(one), Change::Server(three)].into(),
        "two stays as it was"
    );
    let read = collaborators::of_subject(&scene.store, robot)
        .await
        .unwrap();
    let servers: HashSet<_> = read.iter().map(|rule| rule.server_id).collect();
    assert_eq!(servers, [two, three].into());
    assert_eq!(
        collaborators::of_server(&scene.store, one)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(crate) async fn a_subject_takes_its_rules_along(scene: Scene) {
    let (one, two) = (scene.server("one").await.id, scene.server("two").await.id);
    let team = Subject::Team(scene.team("blue").await.id);
    for server in [one, two] {
        put(&scene, server, &grant(team, Role::User)).await;
        put(&scene, server, &grant(Subject::Everyone, Role::User)).await;
    }
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    let servers = collaborators::delete_of_subject(&mut tx, team)
        .await
        .unwrap();
    assert!(!collaborators::delete(&mut tx, one, team).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(servers.len(), 2);
    assert_eq!(scene.changes_since(before).await.len(), 2);
    let left = collaborators::all(&scene.store).await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(
        left.iter()
            .all(|rule| rule.grant.subject == Subject::Everyone)
    );
}

pub(crate) async fn a_rule_needs_a_server(scene: Scene) {
    let server_id = ServerId::new(&scene.time.clock());
    let mut tx = scene.store.begin().await.unwrap();
    let rule = Collaborator {
        server_id,
        grant: grant(Subject::Everyone, Role::User),
    };
    let put = collaborators::put(&mut tx, &rule).await;
    assert!(matches!(put, Err(StoreError::MissingReference)), "{put:?}");
}
