use warder_control_plane::domain::{
    AuthOverride, Change, Collaborator, PageRequest, Server, ServerAuth, Timeouts,
};
use warder_control_plane::store::{
    Sealed, StoreError, auth_overrides, collaborators, servers, teams,
};
use warder_shared::id::OverrideId;
use warder_shared::policy::{Grant, Role, ToolPolicy};
use warder_shared::principal::{Principal, Subject};

use crate::support::settle;
use crate::support::{Scene, name, server};

pub(crate) async fn a_server_survives_writing_and_reading(scene: Scene) {
    let before = scene.version().await;
    let mut written = scene.server("github").await;
    assert_eq!(
        scene.changes_since(before).await,
        [Change::Server(written.id)]
    );
    assert_eq!(
        servers::find(&scene.store, written.id)
            .await
            .unwrap()
            .as_ref(),
        Some(&written)
    );

    written.display_name = "GitHub".to_owned();
    written.url = "https://other.example/".parse().unwrap();
    written.additional_header_names = vec!["X-Org".to_owned()];
    written.tool_policy = ToolPolicy {
        enabled_by_default: false,
        enabled: vec!["read_*".to_owned()],
        disabled: vec!["read_secret".to_owned()],
    };
    (written.prompts_enabled, written.resources_enabled) = (false, true);
    written.allow_header_override = false;
    written.ca_cert = Some("-----BEGIN CERTIFICATE-----\n".to_owned());
    written.timeouts = Timeouts {
        connect_ms: Some(1),
        response_ms: None,
        idle_ms: Some(u32::MAX),
    };
    written.revision = 2;
    let mut tx = scene.store.begin().await.unwrap();
    assert!(servers::update(&mut tx, &written).await.unwrap());
    assert!(
        !servers::update(&mut tx, &server(&scene.time, "other"))
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let found = servers::find_by_name(&scene.store, &name("github"))
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&written));
    assert_eq!(servers::all(&scene.store).await.unwrap(), [written]);
    let mut tx = scene.store.begin().await.unwrap();
    let twin = servers::insert(&mut tx, &server(&scene.time, "github")).await;
    assert!(matches!(twin, Err(StoreError::Conflict)), "{twin:?}");
}

pub(crate) async fn every_auth_survives_writing_and_reading(scene: Scene) {
    let template = "Bearer {{API_KEY}}".parse().unwrap();
    let auths = [
        ServerAuth::None,
        ServerAuth::SharedHeader {
            names: vec!["Authorization".to_owned()],
        },
        ServerAuth::IndividualHeader {
            headers: [("Authorization".to_owned(), template)].into(),
        },
        ServerAuth::Forwarding { headers: None },
        ServerAuth::Forwarding {
            headers: Some(vec!["X-Token".to_owned()]),
        },
    ];
    for (number, auth) in auths.into_iter().enumerate() {
        let creator = scene.user(&format!("user{number}@example.com")).await;
        let written = Server {
            auth,
            created_by: Some(Principal::User(creator.id)),
            ..server(&scene.time, &format!("server-{number}"))
        };
        let mut tx = scene.store.begin().await.unwrap();
        servers::insert(&mut tx, &written).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(
            servers::find(&scene.store, written.id).await.unwrap(),
            Some(written)
        );
    }
}

pub(crate) async fn sealed_values_are_apart(scene: Scene) {
    let written = scene.server("github").await;
    let empty = servers::secrets(&scene.store, written.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(empty, servers::ServerSecrets::default());
    let sealed = |bytes: &[u8], revision| Sealed {
        bytes: bytes.to_vec(),
        origin: written.origin(),
        revision,
    };
    let (auth, additional) = (sealed(&[1, 0, 2], 3), sealed(b"x", 4));
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    servers::set_auth_secret(&mut tx, written.id, Some(&auth))
        .await
        .unwrap();
    servers::set_additional_headers(&mut tx, written.id, Some(&additional))
        .await
        .unwrap();
    servers::update(&mut tx, &written).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        scene.changes_since(before).await,
        [Change::Server(written.id)]
    );
    let stored = servers::secrets(&scene.store, written.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.auth, stored.additional_headers),
        (Some(auth), Some(additional.clone()))
    );

    let mut tx = scene.store.begin().await.unwrap();
    servers::set_auth_secret(&mut tx, written.id, None)
        .await
        .unwrap();
    settle(&mut tx);
    tx.commit().await.unwrap();
    let stored = servers::secrets(&scene.store, written.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.auth, stored.additional_headers),
        (None, Some(additional))
    );
    let nowhere = server(&scene.time, "other").id;
    assert_eq!(servers::secrets(&scene.store, nowhere).await.unwrap(), None);
}

pub(crate) async fn servers_are_listed_by_name(scene: Scene) {
    for text in ["ab", "a1", "a-b", "b1"] {
        scene.server(text).await;
    }
    let mut request = PageRequest::first(3);
    let page = servers::list(&scene.store, &request).await.unwrap();
    assert_eq!(names(&page.items), ["a-b", "a1", "ab"]);
    request.after = page.next;
    let page = servers::list(&scene.store, &request).await.unwrap();
    assert_eq!(
        (names(&page.items), page.next),
        (vec!["b1".to_owned()], None)
    );
}

pub(crate) async fn callers_see_the_servers_that_name_them(scene: Scene) {
    let (ada, bob) = (
        scene.user("ada@example.com").await,
        scene.user("bob@example.com").await,
    );
    let (robot, team) = (
        scene.virtual_account("robot").await,
        scene.team("blue").await,
    );
    let mut tx = scene.store.begin().await.unwrap();
    teams::replace_members(&mut tx, team.id, &[ada.id])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let rules = [
        ("by-name", Some(Subject::User(ada.id))),
        ("by-team", Some(Subject::Team(team.id))),
        ("for-all", Some(Subject::Everyone)),
        ("for-robot", Some(Subject::VirtualAccount(robot.id))),
        ("for-nobody", None),
    ];
    for (text, subject) in rules {
        let server_id = scene.server(text).await.id;
        if let Some(subject) = subject {
            let grant = Grant {
                subject,
                role: Role::User,
                tools: None,
                deny_tools: Vec::new(),
            };
            let mut tx = scene.store.begin().await.unwrap();
            collaborators::put(&mut tx, &Collaborator { server_id, grant })
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
    }
    let visible = async |principal, after: Option<&str>, limit| {
        let request = PageRequest {
            after: after.map(name),
            limit,
        };
        names(
            &servers::list_visible(&scene.store, principal, &request)
                .await
                .unwrap()
                .items,
        )
    };
    let ada = Principal::User(ada.id);
    assert_eq!(
        visible(ada, None, 10).await,
        ["by-name", "by-team", "for-all"]
    );
    assert_eq!(visible(ada, Some("by-name"), 1).await, ["by-team"]);
    assert_eq!(
        visible(Principal::User(bob.id), None, 10).await,
        ["for-all"]
    );
    assert_eq!(
        visible(Principal::VirtualAccount(robot.id), None, 10).await,
        ["for-robot"]
    );
}

pub(crate) async fn deleting_a_server_deletes_what_hangs_on_it(scene: Scene) {
    let (server_id, user) = (
        scene.server("github").await.id,
        scene.user("ada@example.com").await,
    );
    let subject = Principal::User(user.id);
    let grant = Grant {
        subject: subject.into(),
        role: Role::User,
        tools: None,
        deny_tools: Vec::new(),
    };
    let record = AuthOverride {
        id: OverrideId::new(&scene.time.clock()),
        server_id,
        subject,
        hints: [("KEY".to_owned(), "4567".to_owned())].into(),
        origin: "https://mcp.example:8443".to_owned(),
        revision: 1,
        created_at: scene.time.now(),
        updated_at: scene.time.now(),
    };
    let mut tx = scene.store.begin().await.unwrap();
    collaborators::put(&mut tx, &Collaborator { server_id, grant })
        .await
        .unwrap();
    auth_overrides::put(&mut tx, &record, b"sealed")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    assert!(servers::delete(&mut tx, server_id).await.unwrap());
    assert!(!servers::delete(&mut tx, server_id).await.unwrap());
    settle(&mut tx);
    tx.commit().await.unwrap();
    assert_eq!(
        scene.changes_since(before).await,
        [Change::Server(server_id)]
    );
    assert!(collaborators::all(&scene.store).await.unwrap().is_empty());
    assert!(
        auth_overrides::of_subject(&scene.store, subject)
            .await
            .unwrap()
            .is_empty()
    );
}

fn names(servers: &[Server]) -> Vec<String> {
    servers
        .iter()
        .map(|server| server.name.to_string())
        .collect()
}
